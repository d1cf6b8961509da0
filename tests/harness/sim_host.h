// SPDX-License-Identifier: MIT
// Test harness: one machine. The real rules of the agent (kmod/core) over anonymous memory, the
// real accelerator with its loop over a simulated port, and programs. One thread, virtual time.
#pragma once

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core.h"
#include "harness/fw_host.h"
#include "harness/program.h"
#include "harness/sim_port.h"
#include "harness/world.h"

namespace eta::test {

// Thrown when something is wrong that no test expects. Catch2 reports it; the simulator prints it.
struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct HostOptions {
    uint32_t addr = 0;
    uint32_t plen = 24;
    SimPort::Options port;
    uint64_t seed = 1;
    uint32_t n_ctx = 2048;
    uint32_t n_tw = 1024;
    uint32_t max_dti = 1024;
    uint32_t rx_small = 1024;
    uint32_t rx_large = 32;
    uint64_t tx_pool_size = 8u << 20;
    bool shared = false;  // memory that a child after fork() shares
};

class SimHost {
public:
    SimHost(World& world, const HostOptions& options);
    ~SimHost();
    SimHost(const SimHost&) = delete;
    SimHost& operator=(const SimHost&) = delete;

    // -- machine --
    Program& start(const ProgramOptions& options = ProgramOptions());
    std::vector<std::unique_ptr<Program>>& programs() { return programs_; }
    void set_neighbour(uint32_t addr, const Mac& mac);
    uint32_t neigh_wanted() const { return neigh_wanted_; }  // last one asked for; 0: none
    std::vector<Bytes> take_raw_rx();                        // frames that went to the OS stack
    bool put_raw_tx(const Bytes& frame);                     // a frame of the OS stack

    // -- accelerator --
    SimPort& port() { return port_; }
    fw::Engine& engine() { return fw_->engine(); }
    bool fw_running() const { return fw_ != nullptr; }
    void kill_fw();  // as kill -9: nothing is told to anybody but by the agent
    // The same in the middle of a turn, at the n-th call of the port; down_us later it is back.
    void crash_fw(uint32_t port_calls, uint64_t down_us);
    void start_fw();  // takes over what is in the pool
    // The accelerator moves to another process (fork): forgotten here, the agent is not told.
    void release_fw() { fw_.reset(); }
    std::unique_ptr<FwHost> make_fw(uint64_t seed);  // one that takes over, owned by the caller
    uint64_t counter(fw::Counter c) const;
    uint32_t contexts_in_use() const;       // connections, listeners not counted
    std::string describe_contexts() const;  // a line for each connection
    uint32_t time_waits() const;
    uint32_t rx_buffers_in_use();  // over all regions
    uint32_t regions_in_use() const { return core_.n_live + core_.n_dying; }
    uint32_t timers_armed() { return engine().timers.armed(); }

    // -- time --
    bool turn_once();  // one turn of the loop at the present time; true: it found work
    void run();        // turns until there is nothing to do, then sets the alarm for the next
    void settle();     // run() and programs' events until all is quiet
    void poke();       // something was published: run at the present time
    World& world() { return world_; }
    std::function<void()> on_settle;  // of a Lab: deliver frames to peers

    // -- agent --
    template <typename T>
    void command(eta_client& client, uint32_t cmd, T& args) {
        int ret = try_command(client, cmd, args);
        if (ret != 0)
            fail("agent command " + std::to_string(cmd) + " returned " + std::to_string(ret));
    }
    template <typename T>
    int try_command(eta_client& client, uint32_t cmd, T& args) {
        int ret = eta_core_cmd(&core_, &client, cmd, &args, sizeof args);
        poke();
        return ret;
    }
    void client_gone(eta_client& client);
    eta_core& core() { return core_; }
    eta_region_ro* region_ro(uint32_t id) {
        return static_cast<eta_region_ro*>(objects_.at(id).ro);
    }
    eta_region_rw* region_rw(uint32_t id) {
        return static_cast<eta_region_rw*>(objects_.at(id).rw);
    }
    void set_program(uint32_t region, Program* p) { objects_.at(region).program = p; }
    int os_listen(uint32_t addr, uint16_t port);  // an OS socket that listens
    uint32_t next_pid() { return ++last_pid_; }
    void interrupt_region(uint32_t id);
    void agent_interrupt();  // leads to drain_agent() soon
    bool fw_map(uint32_t region, void** ro, void** rw);
    void drain_agent() { eta_core_drain(&core_); }

    [[noreturn]] void fail(const std::string& what) { throw Failure(what); }

private:
    friend struct CoreOps;
    struct Objects {
        void* ro = nullptr;
        void* rw = nullptr;
        size_t ro_size = 0, rw_size = 0;
        Program* program = nullptr;
    };
    struct OsSocket {
        uint32_t addr;
        uint16_t port;
    };

    void mirror_tables(const HostOptions& options);
    void set_alarm();
    void crashed();
    uint32_t idle_turns_needed();

    World& world_;
    HostOptions options_;
    SimPort port_;
    void* pool_ = nullptr;
    size_t pool_size_ = 0;
    std::vector<uint64_t> core_mem_;
    eta_core core_{};
    eta_client fw_client_{};
    std::map<uint32_t, Objects> objects_;
    std::vector<OsSocket> os_sockets_;
    std::unique_ptr<FwHost> fw_;
    std::vector<std::unique_ptr<Program>> programs_;
    uint32_t neigh_wanted_ = 0;
    uint32_t last_pid_ = 100;
    uint32_t fw_lives_ = 0;
    uint64_t crash_down_us_ = 0;
    bool poked_ = false;
    uint64_t alarm_us_ = UINT64_MAX;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for events still in the queue
};

}  // namespace eta::test
