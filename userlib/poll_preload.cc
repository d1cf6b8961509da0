// SPDX-License-Identifier: MIT
// The C library's readiness functions: select, pselect, poll, ppoll, epoll_*. As preload.cc.
#include <cerrno>
#include <cstring>

#include <sys/select.h>

#include "preload.h"
#include "real.h"
#include "sock.h"
#include "sock_epoll.h"
#include "sock_poll.h"

// poll(2) is declared as only writing its array; it reads events, of course.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

using namespace eta::al;

namespace {

uint64_t deadline_of(const timespec* ts)
{
    if (ts == nullptr) {
        return kForever;
    }
    if (ts->tv_sec == 0 && ts->tv_nsec == 0) {
        return 0;
    }
    const uint64_t ns =
        static_cast<uint64_t>(ts->tv_sec) * 1000000000u + static_cast<uint64_t>(ts->tv_nsec);
    return now_ns() + ns;
}

bool bad_time(const timespec* ts)
{
    return ts != nullptr && (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= 1000000000);
}

EpollSet* set_of(int epfd)
{
    Entry* e = demux_find(epfd);
    return e != nullptr && e->kind == Kind::kEpoll ? e->set : nullptr;
}

constexpr short kReadBits = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
constexpr short kWriteBits = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;

struct SelectSets {
    fd_set* in;
    fd_set* out;
    fd_set* ex;
};

bool has(const fd_set* s, int fd)
{
    return s != nullptr && FD_ISSET(fd, s);
}

// The descriptors of a select call as poll entries; how many.
uint32_t to_poll(int n, const SelectSets& s, pollfd* fds)
{
    uint32_t k = 0;
    for (int fd = 0; fd < n; fd++) {
        const int events = (has(s.in, fd) ? POLLIN : 0) | (has(s.out, fd) ? POLLOUT : 0) |
                           (has(s.ex, fd) ? POLLPRI : 0);
        if (events != 0) {
            fds[k++] = {fd, static_cast<short>(events), 0};
        }
    }
    return k;
}

int from_poll(int n, const SelectSets& s, const pollfd* fds, uint32_t k)
{
    const size_t bytes = (static_cast<size_t>(n) + 63) / 64 * 8;
    int bits = 0;
    for (uint32_t i = 0; i < k; i++) {
        if (fds[i].revents & POLLNVAL) {
            return -EBADF;
        }
    }
    fd_set* const sets[3] = {s.in, s.out, s.ex};
    const short masks[3] = {kReadBits, kWriteBits, POLLPRI};
    const short wants[3] = {POLLIN, POLLOUT, POLLPRI};
    for (int j = 0; j < 3; j++) {
        if (sets[j] == nullptr) {
            continue;
        }
        std::memset(sets[j], 0, bytes);
        for (uint32_t i = 0; i < k; i++) {
            if ((fds[i].events & wants[j]) && (fds[i].revents & masks[j])) {
                FD_SET(fds[i].fd, sets[j]);
                bits++;
            }
        }
    }
    return bits;
}

// -ENOSYS: nothing of ours among them.
int select_on(int n, const SelectSets& s, uint64_t deadline_ns, const sigset_t* mask)
{
    if (n < 0 || n > FD_SETSIZE) {
        return -ENOSYS;  // the kernel knows what to say
    }
    pollfd fds[FD_SETSIZE];
    const uint32_t k = to_poll(n, s, fds);
    if (!poll_has_eta(fds, k)) {
        return -ENOSYS;
    }
    const int r = poll_on(fds, k, deadline_ns, mask);
    return r < 0 ? r : from_poll(n, s, fds, k);
}

}  // namespace

ETA_EXPORT int poll(pollfd* fds, nfds_t n, int timeout)
{
    if (!poll_has_eta(fds, static_cast<uint32_t>(n))) {
        return real().poll(fds, n, timeout);
    }
    return libc_int(poll_on(fds, static_cast<uint32_t>(n), deadline_after_ms(timeout), nullptr));
}

ETA_EXPORT int ppoll(pollfd* fds, nfds_t n, const timespec* ts, const sigset_t* mask)
{
    if (bad_time(ts) || !poll_has_eta(fds, static_cast<uint32_t>(n))) {
        return real().ppoll(fds, n, ts, mask);
    }
    return libc_int(poll_on(fds, static_cast<uint32_t>(n), deadline_of(ts), mask));
}

ETA_EXPORT int select(int n, fd_set* in, fd_set* out, fd_set* ex, timeval* tv)
{
    timespec ts = {};
    if (tv != nullptr) {
        ts = {tv->tv_sec, tv->tv_usec * 1000};
    }
    const uint64_t start = tv != nullptr ? now_ns() : 0;
    const int r = select_on(n, {in, out, ex}, deadline_of(tv != nullptr ? &ts : nullptr), nullptr);
    if (r == -ENOSYS) {
        return real().select(n, in, out, ex, tv);
    }
    if (tv != nullptr) {  // Linux leaves the time not slept
        const uint64_t asked = static_cast<uint64_t>(ts.tv_sec) * 1000000000u +
                               static_cast<uint64_t>(ts.tv_nsec);
        const uint64_t used = now_ns() - start;
        const uint64_t left = asked > used ? asked - used : 0;
        tv->tv_sec = static_cast<time_t>(left / 1000000000u);
        tv->tv_usec = static_cast<suseconds_t>(left % 1000000000u / 1000);
    }
    return libc_int(r);
}

ETA_EXPORT int pselect(int n, fd_set* in, fd_set* out, fd_set* ex, const timespec* ts,
                       const sigset_t* mask)
{
    const int r = bad_time(ts) ? -ENOSYS : select_on(n, {in, out, ex}, deadline_of(ts), mask);
    return r == -ENOSYS ? real().pselect(n, in, out, ex, ts, mask) : libc_int(r);
}

ETA_EXPORT int epoll_create1(int flags) noexcept
{
    const int fd = real().epoll_create1(flags);
    return fd < 0 ? fd : epoll_made(fd);
}

ETA_EXPORT int epoll_create(int size) noexcept
{
    const int fd = real().epoll_create(size);
    return fd < 0 ? fd : epoll_made(fd);
}

ETA_EXPORT int epoll_ctl(int epfd, int op, int fd, epoll_event* ev) noexcept
{
    EpollSet* set = set_of(epfd);
    return set == nullptr ? real().epoll_ctl(epfd, op, fd, ev)
                          : libc_int(epoll_control(set, op, fd, ev));
}

ETA_EXPORT int epoll_wait(int epfd, epoll_event* out, int max, int timeout)
{
    EpollSet* set = set_of(epfd);
    if (set == nullptr || (set->n_active == 0 && set->epoch == 0)) {
        return real().epoll_wait(epfd, out, max, timeout);
    }
    return libc_int(epoll_wait_on(set, out, max, deadline_after_ms(timeout), nullptr));
}

ETA_EXPORT int epoll_pwait(int epfd, epoll_event* out, int max, int timeout, const sigset_t* mask)
{
    EpollSet* set = set_of(epfd);
    if (set == nullptr || (set->n_active == 0 && set->epoch == 0)) {
        return real().epoll_pwait(epfd, out, max, timeout, mask);
    }
    return libc_int(epoll_wait_on(set, out, max, deadline_after_ms(timeout), mask));
}

ETA_EXPORT int epoll_pwait2(int epfd, epoll_event* out, int max, const timespec* ts,
                            const sigset_t* mask)
{
    EpollSet* set = set_of(epfd);
    if (set == nullptr || bad_time(ts) || (set->n_active == 0 && set->epoch == 0)) {
        return real().epoll_pwait2(epfd, out, max, ts, mask);
    }
    return libc_int(epoll_wait_on(set, out, max, deadline_of(ts), mask));
}

extern "C" [[noreturn]] void __chk_fail(void);

ETA_EXPORT int __poll_chk(pollfd* fds, nfds_t n, int timeout, size_t size)
{
    if (size / sizeof *fds < n) {
        __chk_fail();
    }
    return poll(fds, n, timeout);
}

ETA_EXPORT int __ppoll_chk(pollfd* fds, nfds_t n, const timespec* ts, const sigset_t* mask,
                           size_t size)
{
    if (size / sizeof *fds < n) {
        __chk_fail();
    }
    return ppoll(fds, n, ts, mask);
}
