// SPDX-License-Identifier: MIT
// Test harness: one simulated machine whose wire ends in the hands of the test. Scenario tests
// drive it segment by segment. One thread, virtual time.
#pragma once

#include <functional>
#include <vector>

#include "harness/peer.h"
#include "harness/program.h"
#include "harness/sim_host.h"
#include "harness/world.h"

namespace eta::test {

constexpr Mac kHostMac = {2, 0, 0, 0, 0, 1};
constexpr Mac kPeerMac = {2, 0, 0, 0, 0, 2};
constexpr uint32_t kHostAddr = 0x0a4d0001;  // 10.77.0.1
constexpr uint32_t kPeerAddr = 0x0a4d0002;  // 10.77.0.2
constexpr uint64_t kMs = 1000;
constexpr uint64_t kSec = 1'000'000;

struct LabOptions {
    uint32_t mtu = 1500;
    uint32_t tso_max = 0;
    bool csum_offload = false;
    uint64_t seed = 1;
    bool know_peer = true;  // the peer's MAC is in the neighbour table
    ProgramOptions program;
};

class Lab {
public:
    explicit Lab(const LabOptions& options = LabOptions());
    ~Lab();

    World world;
    SimHost host;
    Program& app;               // the program most scenarios use
    std::vector<Bytes> others;  // frames on the wire that no peer of the test claims

    void inject(Bytes frame);  // onto the wire, towards the host
    void settle();             // the machine does all it can do now
    void advance(uint64_t us);
    bool advance_until(uint64_t within_us, const std::function<bool()>& done);

    // A connection accepted by `app` on port 80, peer on port 40000 with these SYN options.
    Sock& accept_from(Peer& peer, const Seg& options);
    Sock& accept_from(Peer& peer);
    // A connection opened by `app` to the peer's port.
    Sock& connect_to(Peer& peer, const Seg& options);
    Sock& connect_to(Peer& peer);

    Sock& listen(uint16_t port = 80, uint32_t backlog = 64, uint32_t children = 16);
    uint64_t count(fw::Counter c) { return host.engine().counters.get(c); }

    void add_peer(Peer* p) { peers_.push_back(p); }
    void remove_peer(Peer* p) { std::erase(peers_, p); }

private:
    void on_wire(Bytes frame);

    std::vector<Peer*> peers_;
    Sock* listener_ = nullptr;
};

// Options most SYNs of today carry.
inline Seg usual() {
    return Seg().mss(1460).wscale(7).sack_ok().ts();
}
// No timestamps and no scaling: windows and lengths are what they look like.
inline Seg plain() {
    return Seg().mss(1460);
}

}  // namespace eta::test
