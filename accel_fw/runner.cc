// SPDX-License-Identifier: MIT
// Turns, sleep and housekeeping. See runner.h.
#include "runner.h"

#include <poll.h>
#include <time.h>

#include <eta/ring_ops.h>

namespace eta::fw {
namespace {

constexpr uint64_t kHousekeepingNs = 50'000'000;
constexpr int kSleepMaxMs = 50;  // the heartbeat goes on

uint64_t clock_ns()
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace

bool Runner::run(const volatile int* stop)
{
    eta_proc* proc = e_.pool.proc;
    uint64_t idle_since_ns = 0;
    uint64_t now_ns = clock_ns();
    const uint64_t patience_ns = uint64_t{options_.idle_us} * 1000;
    while (!*stop && !lost_agent_) {
        if (now_ns >= next_housekeeping_ns_) housekeeping(now_ns);
        const uint32_t work = loop_.turn(now_ns / 1000);
        const uint64_t began_ns = now_ns;
        now_ns = clock_ns();
        eta_store_once(&proc->turns, proc->turns + 1);
        if (work != 0) {
            eta_store_once(&proc->busy_ns, proc->busy_ns + (now_ns - began_ns));
            idle_since_ns = 0;
        } else if (idle_since_ns == 0) {
            idle_since_ns = now_ns;
        } else if (options_.idle == Idle::kSleep && now_ns - idle_since_ns >= patience_ns) {
            sleep();
            now_ns = clock_ns();
            idle_since_ns = 0;
        }
    }
    return !lost_agent_;
}

void Runner::housekeeping(uint64_t now_ns)
{
    next_housekeeping_ns_ = now_ns + kHousekeepingNs;
    eta_store_once(&e_.pool.proc->heartbeat_ns, now_ns);
    e_.port->tick();
    e_.counters.set(Counter::port_dropped, e_.port->dropped());
    lost_agent_ = agent_gone();
}

bool Runner::agent_gone() const
{
    pollfd p = {agent_.control_fd(), 0, 0};
    return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

// For the agent in the pool, for programs in the page they can read.
void Runner::set_asleep(uint32_t asleep)
{
    eta_store_once(&e_.pool.proc->asleep, asleep);
    for (uint32_t i = 0; i < e_.regions.live_count(); i++)
        eta_store_once(&e_.regions[e_.regions.live(i)].ro->fw_asleep, asleep);
}

int Runner::wait_ms(uint64_t now_us) const
{
    const uint64_t deadline_us = loop_.next_deadline_us();
    if (deadline_us == 0) return kSleepMaxMs;
    if (deadline_us <= now_us) return 0;
    const uint64_t ms = (deadline_us - now_us + 999) / 1000;
    return ms < kSleepMaxMs ? static_cast<int>(ms) : kSleepMaxMs;
}

// Says that it sleeps, looks once more (E in ring_ops.h; F is in whoever publishes), blocks.
void Runner::sleep()
{
    set_asleep(1);
    e_.port->arm();
    eta_full_barrier();  // E
    const uint64_t now_us = clock_ns() / 1000;
    if (loop_.turn(now_us) == 0) {
        pollfd fds[3] = {{agent_.wait_fd(), POLLIN, 0},
                         {e_.port->wait_fd(), POLLIN, 0},
                         {agent_.control_fd(), 0, 0}};
        ::poll(fds, 3, wait_ms(now_us));
    }
    set_asleep(0);
    agent_.clear_wait();
    e_.port->disarm();
}

}  // namespace eta::fw
