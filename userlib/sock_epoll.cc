// SPDX-License-Identifier: MIT
// epoll over accelerated and other descriptors. The event ring first (no system call when something
// is ready), else spin, else arm and block once in the kernel's epoll_wait, which holds the OS's
// descriptors and, edge-triggered, the wait descriptors of the regions.
#include "sock_epoll.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "real.h"
#include "sock.h"

namespace eta::al {

namespace {

// epoll_data of our own entries in the kernel's sets.
constexpr uint64_t kCookie = uint64_t{0xe7a0c0de} << 32;
constexpr uint32_t kCookieWait = 0;
constexpr uint32_t kCookieNudge = 1;
constexpr uint32_t kCookieListener = 16;  // + descriptor number
constexpr uint32_t kOsEvery = 16;         // busy calls between two looks at the kernel's set
constexpr uint64_t kOsSliceNs = 10000;    // of spinning, between two looks at the kernel's set

EpollItem* g_free_items;
EpollSet* g_free_sets;  // linked by their `head`, abused

template <typename T>
T* slab(size_t count)
{
    void* p = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    return p == MAP_FAILED ? nullptr : static_cast<T*>(p);
}

EpollItem* item_alloc()
{
    if (g_free_items == nullptr) {
        constexpr size_t kCount = 512;
        EpollItem* p = slab<EpollItem>(kCount);
        for (size_t i = 0; p != nullptr && i < kCount; i++) {
            p[i].obj_next = g_free_items;
            g_free_items = &p[i];
        }
        if (p == nullptr) {
            return nullptr;
        }
    }
    EpollItem* it = g_free_items;
    g_free_items = it->obj_next;
    std::memset(it, 0, sizeof *it);
    return it;
}

void item_free(EpollItem* it)
{
    it->set = nullptr;
    it->obj_next = g_free_items;
    g_free_items = it;
}

EpollSet* set_alloc()
{
    if (g_free_sets == nullptr) {
        constexpr size_t kCount = 32;
        EpollSet* p = slab<EpollSet>(kCount);
        for (size_t i = 0; p != nullptr && i < kCount; i++) {
            p[i].head = reinterpret_cast<EpollItem*>(g_free_sets);
            g_free_sets = &p[i];
        }
        if (p == nullptr) {
            return nullptr;
        }
    }
    EpollSet* s = g_free_sets;
    g_free_sets = reinterpret_cast<EpollSet*>(s->head);
    std::memset(s, 0, sizeof *s);
    return s;
}

int kernel_ctl(int epfd, int op, int fd, uint32_t events, uint64_t data)
{
    epoll_event ev = {};
    ev.events = events;
    ev.data.u64 = data;
    return real().epoll_ctl(epfd, op, fd, &ev) < 0 ? -errno : 0;
}

Sock* sock_of(const EpollItem* it)
{
    return static_cast<Sock*>(it->object);
}

void set_active(EpollItem* it, bool on)
{
    if (it->active != on) {
        it->active = on;
        it->set->n_active += on ? 1 : -1;
    }
}

void drop_item(Sock* s, EpollItem* it)
{
    EpollItem** link = &s->items;
    while (*link != it) {
        link = &(*link)->obj_next;
    }
    *link = it->obj_next;
    set_active(it, false);
    epoll_set_unlink(it->set, it);
    item_free(it);
}

EpollItem* find_item(const Sock* s, const EpollSet* set, int fd)
{
    for (EpollItem* it = s->items; it != nullptr; it = it->obj_next) {
        if (it->set == set && it->fd == fd) {
            return it;
        }
    }
    return nullptr;
}

// Connections in inherited regions raise no events here: they are asked each time.
void mark_foreign(EpollSet* set)
{
    for (EpollItem* it = set->all; it != nullptr; it = it->all_next) {
        const Region* r = sock_of(it)->region;
        if (r != nullptr && r->foreign) {
            epoll_item_event(it);
        }
    }
}

uint32_t ready_now(Sock* s, uint32_t want)
{
    bool moved = false;
    uint32_t mask = sock_mask(s, &moved);
    if (moved) {
        return 0;
    }
    if ((want & EPOLLOUT & ~mask) && s->state == SockState::kConn &&
        s->region->app->want_tx(s->dti)) {
        mask |= EPOLLOUT;
    }
    mask |= (mask & EPOLLIN) ? uint32_t{EPOLLRDNORM} : 0u;
    mask |= (mask & EPOLLOUT) ? uint32_t{EPOLLWRNORM | EPOLLWRBAND} : 0u;
    return mask;
}

// ReadyFn of collect. May free the item when its socket turns out to be the OS's: returns 0 then.
uint32_t ready_of(EpollItem* it, uint32_t want)
{
    Sock* s = sock_of(it);
    Mutex* foreign = s->region != nullptr && s->region->foreign ? &s->region->sh->lock : nullptr;
    if (__builtin_expect(foreign != nullptr, 0)) {
        foreign->lock();
    }
    const uint32_t mask = ready_now(s, want);
    if (__builtin_expect(foreign != nullptr, 0)) {
        foreign->unlock();
    }
    return mask;
}

// Somebody else of this set sleeps although something is ready: wake one.
void nudge(EpollSet* set)
{
    if (set->nudge_fd <= 0) {
        const int fd = keep_fd(static_cast<int>(
            syscall(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK)));
        if (fd < 0) {
            return;
        }
        set->nudge_fd = fd;
        kernel_ctl(set->epfd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, kCookie | kCookieNudge);
    }
    const uint64_t one = 1;
    (void)!syscall(SYS_write, set->nudge_fd, &one, sizeof one);
}

void nudge_if_waiting(EpollSet* set)
{
    if (__atomic_load_n(&set->waiters, __ATOMIC_RELAXED) != 0) {
        nudge(set);
    }
}

void add_wait_fds(EpollSet* set)
{
    if (set->epoch != g_epoch) {
        set->epoch = g_epoch;
        wait_add_to(set->epfd, kCookie | kCookieWait);
    }
}

// Takes our own entries out of what the kernel reported; returns how many of the program's remain.
int filter(EpollSet* set, epoll_event* ev, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        if ((ev[i].data.u64 >> 32) != (kCookie >> 32)) {
            ev[kept++] = ev[i];
            continue;
        }
        const uint32_t what = static_cast<uint32_t>(ev[i].data.u64);
        Sock* s = what >= kCookieListener ? demux_sock(static_cast<int>(what - kCookieListener))
                                          : nullptr;
        if (s == nullptr) {
            continue;
        }
        Guard g(s->region);
        s->flags |= kOsReady;
        EpollItem* it = find_item(s, set, static_cast<int>(what - kCookieListener));
        if (it != nullptr) {
            epoll_item_event(it);
        }
    }
    return kept;
}

int kernel_look(EpollSet* set, epoll_event* out, int max)
{
    const long n = syscall(SYS_epoll_pwait, set->epfd, out, max, 0, nullptr, 0);
    return n > 0 ? filter(set, out, static_cast<int>(n)) : 0;
}

// Everything that costs no system call.
int collect(EpollSet* set, epoll_event* out, int max)
{
    Region* r = g_own;
    Guard g(r);
    if (r != nullptr) {
        r->app->flush();
        region_drain(r);
        if (__builtin_expect(r->app->fw_down() || r->down_ns != 0, 0)) {
            region_check_down(r);
        }
    }
    if (__builtin_expect(g_foreign != nullptr, 0)) {
        mark_foreign(set);
    }
    const int n = epoll_set_collect(set, out, max, ready_of);
    if (n == max && set->head != nullptr) {
        nudge_if_waiting(set);
    }
    return n;
}

// Spins until there may be something. Number of OS events found meanwhile.
int spin(EpollSet* set, epoll_event* out, int max, uint64_t deadline_ns)
{
    const auto any = [set] { return region_events_ready() || set->head != nullptr; };
    uint64_t now = now_ns();
    uint64_t end = now + uint64_t{g_spin_us} * 1000;
    end = end < deadline_ns ? end : deadline_ns;
    uint64_t os_at = now;
    while (!any() && now < end) {
        if (set->n_os != 0 && now >= os_at) {
            const int n = kernel_look(set, out, max);
            if (n != 0) {
                return n;
            }
            os_at = now + kOsSliceNs;
        }
        spin_relax();
        now = now_ns();
    }
    return 0;
}

// Prepares to sleep and sleeps. Number of OS events, 0, or -errno.
int block(EpollSet* set, epoll_event* out, int max, uint64_t deadline_ns, const sigset_t* mask)
{
    wait_prepare(true);
    {
        Guard g(g_own);
        if (set->head != nullptr || !wait_arm()) {
            return 0;
        }
        __atomic_fetch_add(&set->waiters, 1, __ATOMIC_RELAXED);
    }
    const long n = syscall(SYS_epoll_pwait, set->epfd, out, max, wait_timeout_ms(deadline_ns), mask,
                           sizeof(uint64_t));
    const int err = errno;
    __atomic_fetch_sub(&set->waiters, 1, __ATOMIC_RELAXED);
    return n < 0 ? -err : filter(set, out, static_cast<int>(n));
}

int os_only(EpollSet* set, epoll_event* out, int max, uint64_t deadline_ns, const sigset_t* mask)
{
    int timeout = -1;
    if (deadline_ns != kForever) {
        const uint64_t now = now_ns();
        const uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
        const uint64_t ms = (left + 999999) / 1000000;
        timeout = ms > INT32_MAX ? INT32_MAX : static_cast<int>(ms);
    }
    const int n = real().epoll_pwait(set->epfd, out, max, timeout, mask);
    if (n < 0) {
        return -errno;
    }
    return set->epoch != 0 ? filter(set, out, n) : n;
}

int add_item(EpollSet* set, Sock* s, int fd, const epoll_event& ev)
{
    if (find_item(s, set, fd) != nullptr) {
        return -EEXIST;
    }
    const bool listener = s->state == SockState::kListening;
    const bool fresh = s->state == SockState::kNew;
    if (listener || fresh) {
        const uint32_t os_events =
            listener ? (ev.events & (EPOLLIN | EPOLLEXCLUSIVE)) | EPOLLET : ev.events;
        const uint64_t data =
            listener ? kCookie | (kCookieListener + static_cast<uint32_t>(fd)) : ev.data.u64;
        const int err = kernel_ctl(set->epfd, EPOLL_CTL_ADD, fd, os_events, data);
        if (err != 0) {
            return err;
        }
    }
    EpollItem* it = item_alloc();
    if (it == nullptr) {
        return -ENOMEM;
    }
    it->object = s;
    it->fd = fd;
    it->events = ev.events;
    it->data = ev.data.u64;
    it->in_kernel = listener || fresh;
    it->obj_next = s->items;
    s->items = it;
    epoll_set_link(set, it);
    set_active(it, !fresh);
    return 0;
}

int change_item(EpollSet* set, Sock* s, EpollItem* it, int op, const epoll_event* ev)
{
    const bool fresh = s->state == SockState::kNew;
    if (op == EPOLL_CTL_DEL) {
        if (it->in_kernel) {
            kernel_ctl(set->epfd, EPOLL_CTL_DEL, it->fd, 0, 0);
        }
        drop_item(s, it);
        return 0;
    }
    if (fresh) {
        const int err = kernel_ctl(set->epfd, EPOLL_CTL_MOD, it->fd, ev->events, ev->data.u64);
        if (err != 0) {
            return err;
        }
    }
    it->events = ev->events;
    it->data = ev->data.u64;
    epoll_item_event(it);
    return 0;
}

}  // namespace

int epoll_made(int epfd)
{
    Guard g(nullptr);
    EpollSet* set = set_alloc();
    if (set != nullptr) {
        set->epfd = epfd;
        set->refs = 1;
        set->nudge_fd = -1;
        if (!demux_set_epoll(epfd, set)) {
            set->head = reinterpret_cast<EpollItem*>(g_free_sets);
            g_free_sets = set;
        }
    }
    return epfd;
}

int epoll_control(EpollSet* set, int op, int fd, epoll_event* ev)
{
    Sock* s = demux_sock(fd);
    if (s == nullptr || demux_is_internal(fd)) {
        const int r = real().epoll_ctl(set->epfd, op, fd, ev);
        if (r != 0) {
            return -errno;
        }
        set->n_os += op == EPOLL_CTL_ADD ? 1 : 0;
        set->n_os -= op == EPOLL_CTL_DEL && set->n_os != 0 ? 1 : 0;
        return 0;
    }
    if (op != EPOLL_CTL_DEL && ev == nullptr) {
        return -EFAULT;
    }
    if (s->state == SockState::kListening && op == EPOLL_CTL_ADD) {
        sock_listener_polled(s);
    }
    Guard g(s->region);
    int r;
    if (op == EPOLL_CTL_ADD) {
        r = add_item(set, s, fd, *ev);
    } else {
        EpollItem* it = find_item(s, set, fd);
        if (it == nullptr) {
            return -ENOENT;
        }
        r = change_item(set, s, it, op, ev);
    }
    if (set->n_active != 0) {
        add_wait_fds(set);
        if (op != EPOLL_CTL_DEL) {
            nudge_if_waiting(set);
        }
    }
    return r;
}

int epoll_wait_on(EpollSet* set, epoll_event* out, int max, uint64_t deadline_ns,
                  const sigset_t* mask)
{
    if (max <= 0) {
        return -EINVAL;
    }
    for (;;) {
        if (set->n_active == 0) {
            return os_only(set, out, max, deadline_ns, mask);
        }
        int n = collect(set, out, max);
        if (n > 0) {
            if (set->n_os != 0 && n < max && ++set->os_turn >= kOsEvery) {
                set->os_turn = 0;
                n += kernel_look(set, out + n, max - n);
            }
            return n;
        }
        set->os_turn = 0;
        add_wait_fds(set);
        n = deadline_ns == 0 ? kernel_look(set, out, max) : spin(set, out, max, deadline_ns);
        if (n == 0 && deadline_ns != 0 && !region_events_ready() && set->head == nullptr) {
            n = block(set, out, max, deadline_ns, mask);
        }
        if (n < 0) {
            return n;
        }
        if (n < max) {
            n += collect(set, out + n, max - n);
        }
        if (n != 0 || deadline_ns == 0 || (deadline_ns != kForever && now_ns() >= deadline_ns)) {
            return n;
        }
    }
}

bool epoll_has_ready(EpollSet* set)
{
    Guard g(g_own);
    if (g_own != nullptr) {
        region_drain(g_own);
    }
    for (EpollItem *it = set->head, *next; it != nullptr; it = next) {
        next = it->next;
        const uint32_t want = it->events & (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI);
        if (want != 0 && (ready_of(it, want) & (want | EPOLLERR | EPOLLHUP)) != 0) {
            return true;
        }
    }
    return false;
}

void epoll_closed(EpollSet* set, int fd)
{
    Guard g(g_own);
    demux_clear(fd);
    if (--set->refs != 0) {
        return;
    }
    while (set->all != nullptr) {
        drop_item(sock_of(set->all), set->all);
    }
    if (set->nudge_fd > 0) {
        demux_clear(set->nudge_fd);
        syscall(SYS_close, set->nudge_fd);
    }
    set->head = reinterpret_cast<EpollItem*>(g_free_sets);
    g_free_sets = set;
}

void epoll_dup(EpollSet* set, int new_fd)
{
    Guard g(nullptr);
    if (demux_set_epoll(new_fd, set)) {
        set->refs++;
    }
}

void epoll_forget(Sock* s, int fd)
{
    for (EpollItem *it = s->items, *next; it != nullptr; it = next) {
        next = it->obj_next;
        if (it->fd == fd || s->refs == 1) {
            drop_item(s, it);
        }
    }
}

void epoll_to_eta(Sock* s)
{
    for (EpollItem* it = s->items; it != nullptr; it = it->obj_next) {
        if (it->in_kernel) {
            kernel_ctl(it->set->epfd, EPOLL_CTL_DEL, it->fd, 0, 0);
            it->in_kernel = false;
        }
        set_active(it, true);
        add_wait_fds(it->set);
        epoll_item_event(it);
        nudge_if_waiting(it->set);
    }
}

void epoll_to_listener(Sock* s)
{
    for (EpollItem* it = s->items; it != nullptr; it = it->obj_next) {
        kernel_ctl(it->set->epfd, EPOLL_CTL_DEL, it->fd, 0, 0);
        kernel_ctl(it->set->epfd, EPOLL_CTL_ADD, it->fd, EPOLLIN | EPOLLET,
                   kCookie | (kCookieListener + static_cast<uint32_t>(it->fd)));
        set_active(it, true);
        add_wait_fds(it->set);
        epoll_item_event(it);
        nudge_if_waiting(it->set);
    }
}

void epoll_to_os(Sock* s)
{
    while (s->items != nullptr) {
        EpollItem* it = s->items;
        if (!it->in_kernel) {
            kernel_ctl(it->set->epfd, EPOLL_CTL_ADD, it->fd, it->events, it->data);
        }
        it->set->n_os++;
        drop_item(s, it);
    }
}

}  // namespace eta::al
