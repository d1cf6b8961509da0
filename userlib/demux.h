// SPDX-License-Identifier: MIT
// The demultiplexer (P1): descriptor number -> entry {operations table, object}. A descriptor
// without an entry is the operating system's. Look-up is lock-free; entries change under the
// process lock. Chunks are allocated on first use and never freed.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>

namespace eta::al {

struct Sock;
struct EpollSet;

// What a kind of transport can do with a socket. Results are libc-shaped but return -errno.
// `fd` is the descriptor the program used; several may lead to one Sock (dup).
struct Ops {
    const char* name;
    int64_t (*recv)(Sock* s, int fd, const iovec* iov, int n_iov, int flags);
    int64_t (*send)(Sock* s, int fd, const iovec* iov, int n_iov, int flags);
    int64_t (*sendfile)(Sock* s, int fd, int in_fd, off_t* off, size_t count);
    int (*bind)(Sock* s, int fd, const sockaddr* addr, socklen_t len);
    int (*listen)(Sock* s, int fd, int backlog);
    int (*accept)(Sock* s, int fd, sockaddr* addr, socklen_t* len, int flags);
    int (*connect)(Sock* s, int fd, const sockaddr* addr, socklen_t len);
    int (*shutdown)(Sock* s, int fd, int how);
    int (*name_of)(Sock* s, int fd, bool peer, sockaddr* addr, socklen_t* len);
    int (*getsockopt)(Sock* s, int fd, int level, int opt, void* val, socklen_t* len);
    int (*setsockopt)(Sock* s, int fd, int level, int opt, const void* val, socklen_t len);
    int (*fcntl)(Sock* s, int fd, int cmd, long arg);
    int (*ioctl)(Sock* s, int fd, unsigned long cmd, void* arg);
};

enum class Kind : uint8_t {
    kOs = 0,    // nothing to do with us
    kSock,      // `sock`: a TCP socket, accelerated or still able to become so
    kEpoll,     // `set`
    kInternal,  // descriptor of the library: invisible to the program
};

struct Entry {
    union {
        Sock* sock;
        EpollSet* set;
        void* object;
    };
    Kind kind;
    uint8_t resv[3];
    uint32_t why_slot;  // + 1; 0: none (fallback.h)
};
static_assert(sizeof(Entry) == 16);

inline constexpr uint32_t kChunkBits = 10;
inline constexpr uint32_t kChunks = 4096;  // four million descriptors

extern Entry* g_chunks[kChunks];

// Null: the operating system's.
inline Entry* demux_find(int fd)
{
    const uint32_t i = static_cast<uint32_t>(fd) >> kChunkBits;
    if (__builtin_expect(i >= kChunks, 0)) {
        return nullptr;
    }
    Entry* chunk = __atomic_load_n(&g_chunks[i], __ATOMIC_ACQUIRE);
    if (chunk == nullptr) {
        return nullptr;
    }
    Entry* e = &chunk[static_cast<uint32_t>(fd) & ((1u << kChunkBits) - 1)];
    return e->kind == Kind::kOs ? nullptr : e;
}

inline Sock* demux_sock(int fd)
{
    Entry* e = demux_find(fd);
    return e != nullptr && e->kind == Kind::kSock ? e->sock : nullptr;
}

// The entry of a descriptor, made if need be; null when the number is beyond the table or memory
// is short: then the descriptor stays with the OS.
Entry* demux_make(int fd);
bool demux_set_sock(int fd, Sock* s);
bool demux_set_epoll(int fd, EpollSet* set);
void demux_set_internal(int fd);
void demux_clear(int fd);  // why_slot is forgotten too
bool demux_is_internal(int fd);
bool demux_has_why(int fd);  // an OS descriptor with a recorded reason
// Calls fn(fd, entry) for every entry in [first, last]. Control path only.
template <typename Fn>
void demux_each(uint32_t first, uint32_t last, Fn fn)
{
    for (uint32_t c = first >> kChunkBits; c < kChunks && (c << kChunkBits) <= last; c++) {
        if (g_chunks[c] == nullptr) {
            continue;
        }
        for (uint32_t i = 0; i < (1u << kChunkBits); i++) {
            const uint32_t fd = (c << kChunkBits) + i;
            if (fd >= first && fd <= last && g_chunks[c][i].kind != Kind::kOs) {
                fn(static_cast<int>(fd), g_chunks[c][i]);
            }
        }
    }
}

}  // namespace eta::al
