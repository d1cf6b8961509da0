// SPDX-License-Identifier: MIT
// Spinning and sleeping. A sleeper arms the region's event ring and blocks on an epoll set of its
// own that holds the wait descriptors edge-triggered: every sleeper gets every interrupt, none has
// to take it back, so no wake-up is lost between threads. Any thread, without the Guard unless
// region.h says "held".
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <x86intrin.h>

#include "fork.h"
#include "real.h"
#include "region.h"
#include "sock.h"

namespace eta::al {

namespace {

constexpr uint32_t kChecksPerYield = 8;
constexpr uint64_t kYieldOthersCycles = 4000;  // a yield this long means that somebody else ran
constexpr uint32_t kCrowdedChecks = 64;
constexpr int kForeignPollMs = 1;

struct Sleeper {
    int epfd = -1;
    uint32_t epoch = 0;
};

thread_local Sleeper t_sleeper;
thread_local uint32_t t_checks;
uint32_t g_crowded;  // others want this core: give it away at every check
pthread_key_t g_sleeper_key;
pthread_once_t g_sleeper_once = PTHREAD_ONCE_INIT;

void forget_fd(int fd)
{
    demux_clear(fd);
    syscall(SYS_close, fd);
}

void sleeper_end(void* p)
{
    forget_fd(static_cast<int>(reinterpret_cast<intptr_t>(p)) - 1);
}

void sleeper_key()
{
    pthread_key_create(&g_sleeper_key, sleeper_end);
}

// The kernel epoll set of this thread, with the wait descriptors of all regions.
int sleeper_fd()
{
    Sleeper& s = t_sleeper;
    if (s.epfd >= 0 && s.epoch == g_epoch) {
        return s.epfd;
    }
    pthread_once(&g_sleeper_once, sleeper_key);
    if (s.epfd >= 0) {
        forget_fd(s.epfd);
    }
    s.epfd = keep_fd(static_cast<int>(syscall(SYS_epoll_create1, EPOLL_CLOEXEC)));
    s.epoch = g_epoch;
    if (s.epfd >= 0) {
        wait_add_to(s.epfd, 0);
        pthread_setspecific(g_sleeper_key, reinterpret_cast<void*>(intptr_t{s.epfd} + 1));
    }
    return s.epfd;
}

void add_wait_fd(int epfd, const Region* r, uint64_t cookie)
{
    epoll_event ev = {};
    ev.events = EPOLLIN | EPOLLET;
    ev.data.u64 = cookie;
    syscall(SYS_epoll_ctl, epfd, EPOLL_CTL_ADD, r->agent.wait_fd(), &ev);
}

timespec to_timespec(uint64_t ns)
{
    return {static_cast<time_t>(ns / 1000000000u), static_cast<long>(ns % 1000000000u)};
}

// Longest sleep allowed now, nanoseconds; kForever: none.
uint64_t sleep_limit(uint64_t deadline_ns)
{
    uint64_t limit = fork_sleep_limit();
    if (g_foreign != nullptr) {
        limit = uint64_t{kForeignPollMs} * 1000000u;
    }
    if (g_own != nullptr && g_own->down_ns != 0 && !g_own->down_told) {
        limit = limit < 100000000u ? limit : 100000000u;
    }
    if (deadline_ns == kForever) {
        return limit;
    }
    const uint64_t now = now_ns();
    const uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    return left < limit ? left : limit;
}

}  // namespace

uint64_t deadline_after_ms(int64_t ms)
{
    return ms < 0 ? kForever : ms == 0 ? 0 : now_ns() + static_cast<uint64_t>(ms) * 1000000u;
}

void spin_relax()
{
    if (g_crowded == 0 && ++t_checks % kChecksPerYield != 0) {
        for (int i = 0; i < 4; i++) {
            _mm_pause();
        }
        return;
    }
    const uint64_t start = __rdtsc();
    syscall(SYS_sched_yield);
    if (__rdtsc() - start > kYieldOthersCycles) {
        g_crowded = kCrowdedChecks;
    } else if (g_crowded != 0) {
        g_crowded--;
    }
}

void wait_prepare(bool to_sleep)
{
    for (Region* f = g_foreign; __builtin_expect(f != nullptr, 0); f = f->next) {
        Guard g(f);
        f->app->flush();
    }
    Region* r = g_own;
    if (r == nullptr) {
        return;
    }
    if (to_sleep) {
        fork_reap();
    }
    Guard g(r);
    r->app->flush();
    if (to_sleep) {
        r->app->reap(64);
    }
    region_drain(r);
    region_check_down(r);
}

bool wait_arm()
{
    return g_own == nullptr || g_own->app->arm();
}

void wait_add_to(int epfd, uint64_t cookie)
{
    if (g_own != nullptr) {
        add_wait_fd(epfd, g_own, cookie);
    }
    for (const Region* r = g_foreign; r != nullptr; r = r->next) {
        add_wait_fd(epfd, r, cookie);
    }
}

int wait_timeout_ms(uint64_t deadline_ns)
{
    const uint64_t ns = sleep_limit(deadline_ns);
    if (ns == kForever) {
        return -1;
    }
    const uint64_t ms = (ns + 999999u) / 1000000u;
    return ms > INT32_MAX ? INT32_MAX : static_cast<int>(ms);
}

int wait_kernel(pollfd* os, uint32_t n_os, uint64_t deadline_ns, const sigset_t* mask)
{
    epoll_event ev[4];
    const int epfd = sleeper_fd();
    if (n_os == 0 || os == nullptr) {
        const long n = syscall(SYS_epoll_pwait, epfd, ev, 4, wait_timeout_ms(deadline_ns), mask,
                               sizeof(uint64_t));
        return n < 0 && errno == EINTR ? -EINTR : 0;
    }
    // The caller leaves room for one more entry behind its own.
    os[n_os] = {epfd, POLLIN, 0};
    const uint64_t limit = sleep_limit(deadline_ns);
    const timespec ts = to_timespec(limit);
    const long n = syscall(SYS_ppoll, os, n_os + 1, limit == kForever ? nullptr : &ts, mask,
                           sizeof(uint64_t));
    if (n < 0) {
        return errno == EINTR ? -EINTR : 0;
    }
    if (os[n_os].revents != 0) {
        syscall(SYS_epoll_pwait, epfd, ev, 4, 0, nullptr, 0);
        return static_cast<int>(n) - 1;
    }
    return static_cast<int>(n);
}

bool wait_restarts()
{
    for (int sig = 1; sig < 32; sig++) {
        struct sigaction sa;
        if (sig == SIGKILL || sig == SIGSTOP || sigaction(sig, nullptr, &sa) != 0) {
            continue;
        }
        const bool handled = (sa.sa_flags & SA_SIGINFO) != 0 ||
                             (sa.sa_handler != SIG_DFL && sa.sa_handler != SIG_IGN);
        if (handled && !(sa.sa_flags & SA_RESTART)) {
            return false;
        }
    }
    return true;
}

}  // namespace eta::al
