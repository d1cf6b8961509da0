// SPDX-License-Identifier: MIT
// Test harness: see lab.h.
#include "harness/lab.h"

#include <catch2/catch.hpp>

namespace eta::test {

namespace {

HostOptions host_options(const LabOptions& o) {
    HostOptions h;
    h.addr = kHostAddr;
    h.seed = o.seed;
    h.port.mac = kHostMac;
    h.port.mtu = o.mtu;
    h.port.tso_max = o.tso_max;
    h.port.csum_offload = o.csum_offload;
    return h;
}

}  // namespace

Lab::Lab(const LabOptions& options)
    : host(world, host_options(options)), app(host.start(options.program)) {
    host.port().sink = [this](Bytes f) { on_wire(std::move(f)); };
    if (options.know_peer)
        host.set_neighbour(kPeerAddr, kPeerMac);
    settle();
}

Lab::~Lab() {
    host.port().sink = nullptr;
    if (host.port().bad_offload)
        WARN("frames with offload fields that make no sense: " << host.port().bad_offload);
}

void Lab::on_wire(Bytes frame) {
    std::string why;
    auto t = decode(frame, &why);
    if (!t) {
        others.push_back(std::move(frame));
        return;
    }
    CHECK(t->smac == kHostMac);
    for (Peer* p : peers_) {
        bool active = p->engine_port == 0 && (t->flags & kS);
        if (t->dport == p->port && t->daddr == kPeerAddr &&
            (active || t->sport == p->engine_port)) {
            CHECK(t->dmac == kPeerMac);
            p->arrived(*t, world.now_us());
            return;
        }
    }
    others.push_back(std::move(frame));
}

void Lab::inject(Bytes frame) {
    host.port().deliver(std::move(frame));
    host.poke();
}

void Lab::settle() {
    host.settle();
    CHECK(host.port().bad_offload == 0);
}

bool Lab::advance_until(uint64_t within_us, const std::function<bool()>& done) {
    uint64_t end = world.now_us() + within_us;
    settle();
    while (!done() && world.next_us() <= end) {
        world.step();
        settle();
    }
    if (!done())
        world.run_until(end);
    settle();
    return done();
}

void Lab::advance(uint64_t us) {
    advance_until(us, [] { return false; });
}

Sock& Lab::listen(uint16_t port, uint32_t backlog, uint32_t children) {
    Sock& s = app.listen(port, backlog, children);
    settle();
    return s;
}

Sock& Lab::accept_from(Peer& peer, const Seg& options) {
    if (!listener_)
        listener_ = &listen(peer.engine_port);
    peer.open_passive(options);
    Sock* s = listener_->accept();
    REQUIRE(s->established());
    return *s;
}

Sock& Lab::accept_from(Peer& peer) {
    return accept_from(peer, Seg().mss(1460));
}

Sock& Lab::connect_to(Peer& peer, const Seg& options) {
    Sock& s = app.connect(kPeerAddr, peer.port);
    peer.open_active(options);
    REQUIRE(s.established());
    return s;
}

Sock& Lab::connect_to(Peer& peer) {
    return connect_to(peer, Seg().mss(1460));
}

}  // namespace eta::test
