// SPDX-License-Identifier: MIT
// Writer of the table described in fallback.h. Control path only; any thread.
#include "fallback.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "demux.h"
#include "real.h"

namespace eta::al {

namespace {

int g_why_fd = -1;
WhyTable* g_why;

void fill_header(WhyTable* t)
{
    t->version = kWhyVersion;
    t->pid = static_cast<uint32_t>(getpid());
    t->n_slots = kWhySlots;
    t->slot_size = sizeof(WhySlot);
    t->n_reasons = static_cast<uint32_t>(Reason::count_);
    t->start_ns = now_ns();
    prctl(PR_GET_NAME, t->comm);
    __atomic_store_n(&t->magic, kWhyMagic, __ATOMIC_RELEASE);
}

// The next slot whose socket is closed, or simply the next one when all are open.
uint32_t pick_slot(WhyTable* t)
{
    uint32_t i = 0;
    for (uint32_t n = 0; n < kWhySlots; n++) {
        i = __atomic_fetch_add(&t->next, 1, __ATOMIC_RELAXED) % kWhySlots;
        if (!__atomic_load_n(&t->slot[i].open, __ATOMIC_RELAXED)) {
            break;
        }
    }
    return i;
}

}  // namespace

void why_init()
{
    if (g_why != nullptr) {  // child after fork: the table belongs to the parent
        munmap(g_why, sizeof(WhyTable));
        g_why = nullptr;
        demux_clear(g_why_fd);
        syscall(SYS_close, g_why_fd);
        g_why_fd = -1;
    }
    const int fd = static_cast<int>(syscall(SYS_memfd_create, kWhyName, 1u /* MFD_CLOEXEC */));
    if (fd < 0) {
        return;
    }
    void* p = MAP_FAILED;
    if (ftruncate(fd, sizeof(WhyTable)) == 0) {
        p = mmap(nullptr, sizeof(WhyTable), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (p == MAP_FAILED) {
        syscall(SYS_close, fd);
        return;
    }
    g_why_fd = keep_fd(fd);
    g_why = static_cast<WhyTable*>(p);
    fill_header(g_why);
}

int why_fd()
{
    return g_why_fd;
}

WhyTable* why_table()
{
    return g_why;
}

void why_count(Reason reason)
{
    if (g_why != nullptr) {
        __atomic_fetch_add(&g_why->count[static_cast<uint32_t>(reason)], 1, __ATOMIC_RELAXED);
    }
}

uint32_t why_record(int fd, Reason reason, uint32_t detail, const WhyAddr* addr, bool listening)
{
    WhyTable* t = g_why;
    if (t == nullptr) {
        return UINT32_MAX;
    }
    why_count(reason);
    __atomic_fetch_add(&t->fallbacks, 1, __ATOMIC_RELAXED);
    const uint32_t i = pick_slot(t);
    WhySlot& s = t->slot[i];
    const uint32_t seq = __atomic_load_n(&s.seq, __ATOMIC_RELAXED) | 1;
    __atomic_store_n(&s.seq, seq, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    std::memset(reinterpret_cast<uint8_t*>(&s) + sizeof s.seq, 0, sizeof s - sizeof s.seq);
    s.reason = static_cast<uint32_t>(reason);
    s.fd = fd;
    s.open = 1;
    s.time_ns = now_ns();
    s.detail = detail;
    s.family = AF_INET;
    s.listening = listening;
    if (addr != nullptr) {
        if (addr->laddr != nullptr) {
            std::memcpy(s.laddr, addr->laddr, sizeof s.laddr);
        }
        if (addr->raddr != nullptr) {
            std::memcpy(s.raddr, addr->raddr, sizeof s.raddr);
        }
        s.lport = addr->lport;
        s.rport = addr->rport;
    }
    __atomic_store_n(&s.seq, seq + 1, __ATOMIC_RELEASE);
    Entry* e = demux_make(fd);
    if (e != nullptr) {
        e->why_slot = i + 1;
    }
    return i;
}

void why_closed(uint32_t slot, int fd)
{
    if (g_why != nullptr && slot < kWhySlots && g_why->slot[slot].fd == fd) {
        __atomic_store_n(&g_why->slot[slot].open, 0u, __ATOMIC_RELAXED);
    }
}

void why_accelerated(bool listener)
{
    if (g_why != nullptr) {
        __atomic_fetch_add(listener ? &g_why->accelerated_listeners : &g_why->accelerated, 1,
                           __ATOMIC_RELAXED);
    }
}

void why_print()
{
    const WhyTable* t = g_why;
    if (t == nullptr || t->accelerated + t->accelerated_listeners + t->fallbacks == 0) {
        return;
    }
    dprintf(2,
            "eta: %s[%u]: %llu connections and %llu listeners accelerated, "
            "%llu sockets on the OS stack\n",
            t->comm, t->pid, static_cast<unsigned long long>(t->accelerated),
            static_cast<unsigned long long>(t->accelerated_listeners),
            static_cast<unsigned long long>(t->fallbacks));
    for (uint32_t i = 1; i < static_cast<uint32_t>(Reason::count_); i++) {
        if (t->count[i] != 0) {
            dprintf(2, "eta: %8llu x %s\n", static_cast<unsigned long long>(t->count[i]),
                    reason_sentence(i));
        }
    }
}

}  // namespace eta::al
