// SPDX-License-Identifier: MIT
// Simulator: the programs. A client opens the connections of its plan; a server answers them.
// They sleep and are woken exactly as the adaptation layer does it (arm, interrupt), so a wake-up
// that gets lost shows as a connection that is stuck.
#pragma once

#include <map>
#include <memory>

#include "harness/sim_host.h"
#include "sim/plan.h"

namespace eta::sim {

class Run;

// What became of one connection; filled in by both ends.
struct Outcome {
    uint64_t client_sent = 0, server_sent = 0;
    uint64_t client_got = 0, server_got = 0;
    bool client_eof = false, server_eof = false;
    bool client_done = false, server_done = false;
    bool server_began = false;
    int client_err = 0, server_err = 0;
    bool excused = false;  // a program of it was killed: it only has to end
    bool to_os = false;    // refused to the OS stack (no child, backlog)
};

// One end of a connection.
struct Conn {
    const Spec* spec = nullptr;  // of a server: null until the header has arrived
    test::Sock* sock = nullptr;
    uint8_t header[8] = {};
    uint32_t header_have = 0;
    uint64_t sent = 0;
    bool shut = false;
    bool eof = false;
    bool stalled = false;
    bool stall_done = false;
    bool retry = false;     // room came while it was being asked for
    uint64_t progress = 0;  // bytes both ways when the janitor last came
    uint32_t idle_rounds = 0;
};

class Actor {
public:
    Actor(Run& run, test::SimHost& host, bool server);
    void start();  // listens, or opens at the planned times
    void open(const Spec& s);
    void kill();
    bool alive() const { return program_->alive(); }
    bool server() const { return server_; }
    test::Program& program() { return *program_; }
    size_t live() const { return conns_.size(); }
    std::string describe() const;
    void close_listener();
    void wake_soon();
    // A RST may get lost, and a peer may vanish without a word: programs have timeouts for that.
    void janitor();

private:
    void run();
    void accept_all();
    void step(Conn& c);
    void step_client(Conn& c);
    void step_server(Conn& c);
    bool receive(Conn& c, uint64_t stall_at);
    bool read_header(Conn& c);
    void transmit(Conn& c, uint64_t len);
    bool aborts(Conn& c, End mine);
    void finish(Conn& c, int err);
    bool over(Conn& c);
    Outcome& outcome(const Conn& c);

    Run& run_;
    test::SimHost& host_;
    bool server_;
    test::Program* program_ = nullptr;
    test::Sock* listener_ = nullptr;
    std::map<uint32_t, Conn> conns_;  // by DTI
    std::vector<uint32_t> finished_;
    bool wake_queued_ = false;
};

}  // namespace eta::sim
