// SPDX-License-Identifier: MIT
// Client of the kernel agent, used by the adaptation layer, the accelerator and eta-ctl. Speaks
// ioctl on /dev/eta or SEQPACKET datagrams to eta-agentd; the caller does not see which.
// Any thread may send commands (a lock inside). Control path only. Uses raw system calls, so that
// libeta_preload never sees its traffic, and no symbol of libstdc++.
#pragma once

#include <stddef.h>

#include <eta/ioctl.h>

namespace eta {

// A region as the accelerator holds it. unmap with Agent::fw_unmap().
struct MappedRegion {
    eta_region_ro* ro = nullptr;  // writable for the accelerator
    eta_region_rw* rw = nullptr;  // only read, by convention
    size_t ro_size = 0;
    size_t rw_size = 0;
    int wait = -1;  // eta-agentd: wakes the program through interrupt(); module: -1
};

// All calls return 0 or -errno unless said otherwise. Trivially constructible: may be a global.
class Agent {
public:
    constexpr Agent() = default;
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    // Connects, attaches in `role` and maps what the role may see. $ETA_AGENT (a socket path, or
    // "/dev/eta") if set and the process is not set-user-id; else /dev/eta; else the default
    // socket. -ENOENT: no agent here. Others: as struct eta_attach says. `proc`: FW only.
    int open(unsigned role, unsigned proc = 0);
    // As open(), at a place given by the caller.
    int open_at(const char* path, unsigned role, unsigned proc = 0);
    // Unmaps and closes everything; the agent frees what hung on the connection.
    void close();
    // In the child after fork: closes the inherited descriptors, so that the parent's death is
    // noticed, and forgets the rest without unmapping (open() may then be called again).
    void abandon_in_child();

    // Descriptors of ours, which the program must not close. APP: kept away from low numbers.
    bool owns_fd(int fd) const
    {
        return fd >= 0 && (fd == fd_ || fd == wait_fd_ || fd == kick_fd_ || fd == agent_fd_);
    }

    bool is_open() const { return fd_ >= 0; }
    bool is_module() const { return module_; }
    const eta_attach& attached() const { return attach_; }

    // APP.
    const eta_region_ro* ro() const { return static_cast<const eta_region_ro*>(ro_); }
    eta_region_rw* rw() const { return static_cast<eta_region_rw*>(rw_); }
    size_t ro_size() const { return ro_size_; }
    size_t rw_size() const { return rw_size_; }
    // Creates up to `count` DTIs: how many and the first local index.
    int dti_create(unsigned count, unsigned* created, unsigned* first);
    // `os_fd` stays the caller's; it must be listening.
    int listen(int os_fd, unsigned local, unsigned backlog, unsigned* listener);
    int unlisten(unsigned listener);
    // Wakes the accelerator; call only if region_ro.fw_asleep says so.
    void kick();

    // APP and FW: becomes readable when woken, with an edge for each wake-up, so that an
    // edge-triggered waiter need not take it back. With the module the same as control_fd().
    int wait_fd() const { return wait_fd_; }
    // Takes pending wake-ups back after wait_fd() was readable; never blocks.
    void clear_wait();
    // Hangs up when eta-agentd dies (POLLHUP).
    int control_fd() const { return fd_; }
    int kick_fd() const { return kick_fd_; }

    // FW and OBSERVER.
    eta_pool_hdr* pool() const { return static_cast<eta_pool_hdr*>(pool_); }
    size_t pool_size() const { return pool_size_; }

    // FW.
    int fw_map(unsigned region, MappedRegion* out);
    void fw_unmap(MappedRegion* region);
    // Wakes the programs of these regions (one write each, or one ioctl per 29) and, if `agent`,
    // the agent (kernel-space queue, raw packets).
    int interrupt(const unsigned* region, const MappedRegion* const* mapped, unsigned count,
                  bool agent);
    void interrupt_agent() { (void)interrupt(nullptr, nullptr, 0, true); }
    int fw_port(const eta_fw_port& port);

private:
    static constexpr int kMaxFds = 4;

    int connect_module(const char* path);
    int connect_socket(const char* path);
    int attach(unsigned role, unsigned proc);
    int map_all(const int* fds, int n_fds);
    // One command: payload in and out; `send_fd` travels along unless negative.
    int command(unsigned cmd, void* payload, unsigned size, int send_fd, int* fds, int* n_fds);
    int command_socket(unsigned cmd, void* payload, unsigned size, int send_fd, int* fds,
                       int* n_fds);
    void lock();
    void unlock();

    int fd_ = -1;
    int wait_fd_ = -1;
    int kick_fd_ = -1;
    int agent_fd_ = -1;  // FW: wakes eta-agentd
    bool module_ = false;
    int lock_word_ = 0;
    void* ro_ = nullptr;
    void* rw_ = nullptr;
    void* pool_ = nullptr;
    size_t ro_size_ = 0;
    size_t rw_size_ = 0;
    size_t pool_size_ = 0;
    eta_attach attach_{};
};

}  // namespace eta
