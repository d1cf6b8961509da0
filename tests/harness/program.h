// SPDX-License-Identifier: MIT
// Test harness: a program on a simulated host. It uses the very code that real programs use
// (AppRegion), on its own region. Every byte it sends and receives follows a pattern, and every
// byte received is checked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core.h"
#include "dti.h"

namespace eta::test {

class SimHost;
class Program;

struct ProgramOptions {
    uint32_t dtis = 64;
    std::string name = "program";
};

// One DTI in use by a program: a connection or a listener.
class Sock {
public:
    Sock(Program& program, uint32_t dti) : program_(program), dti_(dti) {}

    // -- connection --
    uint32_t state() const;
    bool connecting() const { return state() == ETA_DTI_CONNECTING; }
    bool established() const { return state() == ETA_DTI_ESTABLISHED; }
    bool closed() const { return state() == ETA_DTI_CLOSED; }
    int err() const;
    uint64_t readable() const;
    uint64_t unacked() const;

    uint32_t send(uint64_t bytes);  // bytes taken
    uint64_t recv(uint64_t max = UINT64_MAX);
    // Bytes outside the pattern; they count as positions of the stream.
    uint32_t send_raw(const void* p, uint32_t len);
    uint32_t recv_raw(void* p, uint32_t len);
    bool eof() const { return eof_; }
    int recv_error() const { return recv_error_; }  // errno of the last recv(), 0: none
    int send_error() const { return send_error_; }
    void shutdown();
    void shutdown_read();
    void close();
    void abort();
    void control(uint32_t set, uint32_t clear = 0);
    bool closed_by_us() const { return gone_; }

    uint32_t local_addr() const;
    uint32_t remote_addr() const;
    uint16_t local_port() const;
    uint16_t remote_port() const;
    const eta_dti_fw& fw() const;
    uint32_t dti() const { return dti_; }
    Program& program() { return program_; }

    uint64_t tx_key = 1, rx_key = 2;  // kOutKey, kInKey
    uint64_t tx_pos = 0, rx_pos = 0;
    bool corrupt = false;  // a received byte was wrong
    void* user = nullptr;

    // -- listener --
    Sock* try_accept();
    Sock* accept();  // fails the test if there is none
    void unlisten();
    uint32_t listener_index = 0;
    uint32_t children = 0;  // to keep posted
    int os_fd = -1;

private:
    friend class Program;
    Program& program_;
    uint32_t dti_;
    bool eof_ = false;
    bool gone_ = false;  // closed by the program: the DTI is no longer ours
    int recv_error_ = 0;
    int send_error_ = 0;
};

class Program {
public:
    Program(SimHost& host, const ProgramOptions& options);
    ~Program();

    // Unbound sport; sport other than 0 is refused by the accelerator.
    Sock& connect(uint32_t addr, uint16_t port);
    Sock& listen(uint16_t port, uint32_t backlog = 64, uint32_t children = 8, uint32_t addr = 0);
    Sock& adopt(uint32_t dti);  // wraps a DTI whose state the test has made itself

    // Drains events, puts children back on masters. True: something was there.
    bool poll();
    // The process is gone, its descriptors are closed. The object stays, dead.
    void die();
    void abandon();  // the machine itself goes away
    bool alive() const { return alive_; }
    bool lawless = false;  // the test writes the region itself: no library, no events
    bool awake = true;     // wake-ups of the agent since the last poll

    al::AppRegion& region() { return region_; }
    uint32_t region_id() const { return client_.region; }
    eta_region_ro* ro() const;
    eta_region_rw* rw() const;
    SimHost& host() { return host_; }
    void replenish(Sock& listener);
    Sock* find(uint32_t dti);
    void forget(uint32_t dti) { socks_.erase(dti); }
    uint32_t dti_alloc();  // asks the agent for more when none is free
    size_t open_socks() const { return socks_.size(); }

    std::function<void(Sock&)> on_event;
    std::function<void()> on_wake;  // the agent woke it

private:
    friend class Sock;
    SimHost& host_;
    eta_client client_{};
    al::AppRegion region_;
    std::vector<uint64_t> state_;
    std::map<uint32_t, std::unique_ptr<Sock>> socks_;
    std::vector<std::unique_ptr<Sock>> old_;  // references held by tests stay good
    bool alive_ = false;
};

}  // namespace eta::test
