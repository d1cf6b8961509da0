// SPDX-License-Identifier: MIT
// TCP sockets of the program. A socket starts as a real OS socket ("new"); listen and connect
// decide whether it becomes accelerated or stays with the OS. Objects live in slabs that are never
// freed, so that a late look at one is harmless. Fields change under the Guard of the region.
#pragma once

#include <netinet/in.h>

#include "demux.h"
#include "epoll_set.h"
#include "region.h"

namespace eta::al {

enum class SockState : uint8_t {
    kFree,
    kNew,         // OS socket, undecided
    kConnecting,  // CONNECT posted
    kConn,        // carries (or carried) a connection
    kListening,   // master DTI and OS socket
};

enum SockFlag : uint16_t {
    kNonblock = 1 << 0,
    kNodelay = 1 << 1,
    kKeepalive = 1 << 2,
    kLingerOn = 1 << 3,
    kDead = 1 << 4,         // the accelerator went away for too long
    kBoundPort = 1 << 5,
    kBoundAddr = 1 << 6,
    kOsReady = 1 << 7,      // listener: the OS socket may have a connection
    kPolled = 1 << 8,       // listener: this process waits for or takes connections
    kNeedReplica = 1 << 9,  // listener inherited by fork, no master in the own region yet
    kReal = 1 << 10,        // the descriptor is an OS socket of its own, not a placeholder
    kStopped = 1 << 11,     // listener after shutdown()
    kCork = 1 << 12,
    kTold = 1 << 13,        // connect: success was reported
    kReuse = 1 << 15,       // SO_REUSEADDR, which children inherit
    kV6 = 1 << 14,          // AF_INET6 socket: speaks of IPv4 peers as ::ffff:a.b.c.d
};

struct Sock {
    const Ops* ops;
    Region* region;
    EpollItem* items;  // epoll sets that watch it
    Sock* next;        // of the region, or of the free list
    Sock* prev;
    uint32_t dti;
    uint32_t refs;     // descriptors that lead here
    SockState state;
    uint8_t resv;
    uint16_t flags;
    int fd;            // one of them
    uint32_t rcv_timeo_ms;  // 0: none
    uint32_t snd_timeo_ms;
    int sndbuf;        // as set, 0: default
    int rcvbuf;
    uint32_t linger_s;
    int err;           // pending error of a failed connect
    uint32_t listener;  // listening: index at the agent
    uint32_t backlog;
    sockaddr_in local;  // bound address, or zero
    sockaddr_in peer;   // connecting: where to
};

extern const Ops kNewOps;
extern const Ops kEtaOps;
extern const Ops kListenOps;

// -- life (sock.cc) --
Sock* sock_alloc();                       // held
void sock_free(Sock* s);                  // held; no DTI, no items left
void sock_attach(Sock* s, Region* r, uint32_t dti);  // held
void sock_detach(Sock* s);                // held
int sock_created(int fd, int domain, int type);  // socket() made a TCP socket
// One descriptor less. With the last one the connection is closed. Then the caller closes `fd`.
void sock_closed(Sock* s, int fd);
void sock_dup(Sock* s, int new_fd);
// Readiness, kRead* bits. Held. May turn a connecting socket into an OS socket: *moved.
uint32_t sock_mask(Sock* s, bool* moved);
// Lock-free guess for spinning: true if sock_mask may have become interesting.
bool sock_hint(const Sock* s, uint32_t want);
// Waits until sock_mask & want, or an error. 0; -EAGAIN at the deadline; -EINTR; -ESTALE when the
// socket moved to the OS.
int sock_wait(Sock* s, uint32_t want, uint64_t deadline_ns);
void sock_event(Region* r, uint32_t dti);  // held
void sock_region_down(Region* r);          // held: grace time over
int placeholder_fd(int flags);             // a new descriptor number for a connection
// Connected: the unused OS socket behind the descriptor gives way to the placeholder (3 KB each).
void placeholder_under(Sock* s);

inline bool sock_blocks(const Sock* s, int msg_flags)
{
    return !(s->flags & kNonblock) && !(msg_flags & MSG_DONTWAIT);
}

// -- connect.cc, listen.cc, sock_io.cc, sock_opt.cc --
// Held: the descriptor is the OS's from now on.
int sock_to_os(Sock* s, Reason why, uint32_t detail);
void sock_adopt_listener(Sock* s);        // kNeedReplica: makes the replica of this process
void sock_refill_children(Sock* s);       // held
void sock_listener_polled(Sock* s);       // first interest of this process
void sock_finish_connect(Sock* s);        // held; state of a connecting socket may have changed

int64_t eta_recv(Sock* s, int fd, const iovec* iov, int n_iov, int flags);
int64_t eta_send(Sock* s, int fd, const iovec* iov, int n_iov, int flags);
int64_t eta_sendfile(Sock* s, int fd, int in_fd, off_t* off, size_t count);
int eta_shutdown(Sock* s, int fd, int how);
int eta_name_of(Sock* s, int fd, bool peer, sockaddr* addr, socklen_t* len);
int eta_getsockopt(Sock* s, int fd, int level, int opt, void* val, socklen_t* len);
int eta_setsockopt(Sock* s, int fd, int level, int opt, const void* val, socklen_t len);
int eta_fcntl(Sock* s, int fd, int cmd, long arg);
int eta_ioctl(Sock* s, int fd, unsigned long cmd, void* arg);
int new_setsockopt(Sock* s, int fd, int level, int opt, const void* val, socklen_t len);
int new_fcntl(Sock* s, int fd, int cmd, long arg);
int new_ioctl(Sock* s, int fd, unsigned long cmd, void* arg);
int new_bind(Sock* s, int fd, const sockaddr* addr, socklen_t len);
int new_listen(Sock* s, int fd, int backlog);
int new_connect(Sock* s, int fd, const sockaddr* addr, socklen_t len);
int listen_accept(Sock* s, int fd, sockaddr* addr, socklen_t* len, int flags);
int listen_again(Sock* s, int fd, int backlog);
int listen_shutdown(Sock* s, int fd, int how);
int eta_connect_again(Sock* s, int fd, const sockaddr* addr, socklen_t len);

// 16-byte form of an IPv4 address (RFC 4291 2.5.5.2).
void map_v4(uint8_t out[ETA_ADDR_LEN], uint32_t addr_be);
uint32_t unmap_v4(const uint8_t in[ETA_ADDR_LEN]);

// IPv4 address and port of either kind of socket address; false: it is neither IPv4 nor mapped.
bool to_v4(const sockaddr* addr, socklen_t len, sockaddr_in* out);

// The result of an OS call in the form of Ops.
inline int64_t os_result(int64_t r)
{
    return r < 0 ? -errno : r;
}

}  // namespace eta::al
