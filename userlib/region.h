// SPDX-License-Identifier: MIT
// The application region of this process and, after fork, those it inherited: attachment to the
// agent, supply of DTIs, draining of events, sleeping. Calls marked "held" want the Guard.
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>

#include "agent.h"
#include "dti.h"
#include "fallback.h"
#include "lock.h"
#include "real.h"

namespace eta::al {

struct Sock;
struct ForkSlot;

// Lives in memory shared with the children of the process (fork), so that connections they inherit
// go on in whichever process uses them.
struct RegionShared {
    Mutex lock;
    uint32_t shared;  // non-zero: another process uses it too, the lock must be taken
    AppRegion app;
};

// One process's view of a region.
struct Region {
    Agent agent;
    RegionShared* sh;
    AppRegion* app;      // &sh->app
    bool foreign;        // inherited: its events are drained by the process that attached it
    uint32_t n_socks;
    Sock* socks;         // list of the sockets that hold a DTI here
    uint32_t batch;      // DTIs to create next time
    uint64_t down_ns;    // since when the accelerator has been seen missing; 0: it runs
    bool down_told;      // grace time is over and the sockets were told
    Region* next;        // list of inherited regions
    ForkSlot* slot;      // foreign: what this process holds of it
    int slot_fd;         // foreign: open while this process lives; the owner watches the other end
    pid_t owner;         // process that attached it
};

extern Mutex g_lock;          // the process lock
extern Region* g_own;         // null: not attached
extern Region* g_foreign;     // inherited regions still in use
extern uint32_t g_epoch;      // bumped when the set of wait descriptors changes
extern uint32_t g_spin_us;
extern uint32_t g_grace_ms;
inline constexpr uint32_t kAgentPathMax = 128;
extern char g_agent_path[kAgentPathMax];  // $ETA_AGENT at the start: programs wipe environments

// The region of this process, attaching it if need be. Null: *why says why not.
Region* region_get(Reason* why);
// A free DTI, created by the agent if need be; kNoDti. Held.
uint32_t region_dti(Region* r);
// Hands events of the own region to the sockets concerned. Held. True if there were any.
bool region_drain(Region* r);
bool region_events_ready();
// In the child: this process has no region yet.
void region_after_fork();
void region_update_stats();
// Accelerator missing: false while it runs or within the grace time; when that is over the sockets
// of the region are told (once) and true is returned. Held.
bool region_check_down(Region* r);

// -- sleeping (wait.cc) --

inline constexpr uint64_t kForever = UINT64_MAX;

uint64_t deadline_after_ms(int64_t ms);  // negative: kForever
// Spins and yields until `done` (called without the lock, reads only) or the spin time is over.
template <typename Fn>
bool spin_until(uint64_t deadline_ns, Fn done);
// What every wait does first and again before it sleeps: put-off doorbells, buffers, events.
void wait_prepare(bool to_sleep);
// Asks for interrupts. False: there are events, look again. Held.
bool wait_arm();
// Blocks in the kernel until the armed interrupt, one of `os` is ready, a signal or the deadline.
// Number of ready descriptors in `os`, 0, or -EINTR.
int wait_kernel(pollfd* os, uint32_t n_os, uint64_t deadline_ns, const sigset_t* mask);
// Milliseconds until the deadline for epoll_wait, at most the limits that missing accelerators and
// inherited regions impose.
int wait_timeout_ms(uint64_t deadline_ns);
// EINTR arrived: true if every handler installed asks for restart (SA_RESTART).
bool wait_restarts();
// Adds the wait descriptors of all regions to a kernel epoll set, edge-triggered: each set gets
// every interrupt, nobody has to take it back.
void wait_add_to(int epfd, uint64_t cookie);

// One step of a spin: pauses, and gives the core away when somebody else wants it.
void spin_relax();

template <typename Fn>
bool spin_until(uint64_t deadline_ns, Fn done)
{
    if (done()) {
        return true;
    }
    const uint64_t start = now_ns();
    uint64_t end = start + uint64_t{g_spin_us} * 1000;
    end = end < deadline_ns ? end : deadline_ns;
    while (true) {
        spin_relax();
        if (done()) {
            return true;
        }
        if (now_ns() >= end) {
            return false;
        }
    }
}

}  // namespace eta::al
