// SPDX-License-Identifier: MIT
// See demux.h. Writers hold the process lock or are alone.
#include "demux.h"

#include <sys/mman.h>

#include "fallback.h"

namespace eta::al {

Entry* g_chunks[kChunks];

Entry* demux_make(int fd)
{
    const uint32_t i = static_cast<uint32_t>(fd) >> kChunkBits;
    if (fd < 0 || i >= kChunks) {
        return nullptr;
    }
    Entry* chunk = __atomic_load_n(&g_chunks[i], __ATOMIC_ACQUIRE);
    if (chunk == nullptr) {
        constexpr size_t kBytes = sizeof(Entry) << kChunkBits;
        void* p = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            return nullptr;
        }
        Entry* fresh = static_cast<Entry*>(p);
        if (__atomic_compare_exchange_n(&g_chunks[i], &chunk, fresh, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            chunk = fresh;
        } else {
            munmap(p, kBytes);
        }
    }
    return &chunk[static_cast<uint32_t>(fd) & ((1u << kChunkBits) - 1)];
}

static bool demux_set(int fd, Kind kind, void* object)
{
    Entry* e = demux_make(fd);
    if (e == nullptr) {
        return false;
    }
    e->object = object;
    __atomic_store_n(reinterpret_cast<uint8_t*>(&e->kind), static_cast<uint8_t>(kind),
                     __ATOMIC_RELEASE);
    return true;
}

bool demux_set_sock(int fd, Sock* s)
{
    return demux_set(fd, Kind::kSock, s);
}

bool demux_set_epoll(int fd, EpollSet* set)
{
    return demux_set(fd, Kind::kEpoll, set);
}

void demux_set_internal(int fd)
{
    demux_set(fd, Kind::kInternal, nullptr);
}

void demux_clear(int fd)
{
    const uint32_t i = static_cast<uint32_t>(fd) >> kChunkBits;
    if (i >= kChunks || g_chunks[i] == nullptr) {
        return;
    }
    Entry* e = &g_chunks[i][static_cast<uint32_t>(fd) & ((1u << kChunkBits) - 1)];
    __atomic_store_n(reinterpret_cast<uint8_t*>(&e->kind), uint8_t{0}, __ATOMIC_RELEASE);
    e->object = nullptr;
    if (e->why_slot != 0) {
        why_closed(e->why_slot - 1, fd);
        e->why_slot = 0;
    }
}

bool demux_is_internal(int fd)
{
    const Entry* e = demux_find(fd);
    return e != nullptr && e->kind == Kind::kInternal;
}

bool demux_has_why(int fd)
{
    const uint32_t i = static_cast<uint32_t>(fd) >> kChunkBits;
    return i < kChunks && g_chunks[i] != nullptr &&
           g_chunks[i][static_cast<uint32_t>(fd) & ((1u << kChunkBits) - 1)].why_slot != 0;
}

}  // namespace eta::al
