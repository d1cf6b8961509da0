// SPDX-License-Identifier: MIT
// fork: listeners get a replica in the child at its first accept or poll; a parent that never used
// its own pauses it. Connections stay with the parent; the child's copies are ended without a word
// to the peer.
#include "fork.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "fallback.h"
#include "region.h"
#include "sock.h"

namespace eta::al {

namespace {

pid_t g_pid;

void prepare()
{
    g_lock.lock();
}

// A listener this process never waited on is left to the children (nginx's master).
void parent()
{
    if (g_own != nullptr) {
        for (Sock* s = g_own->socks; s != nullptr; s = s->next) {
            if (s->state == SockState::kListening && !(s->flags & kPolled)) {
                g_own->app->set_ctl(s->dti, ETA_CTL_PAUSED, 0);
            }
        }
    }
    g_lock.unlock();
}

void leave_region(Sock* s)
{
    s->region = nullptr;
    s->dti = kNoDti;
    s->next = s->prev = nullptr;
    if (s->state == SockState::kListening) {
        s->flags = static_cast<uint16_t>((s->flags & ~kPolled) | kNeedReplica);
        s->listener = 0;
        return;
    }
    s->flags |= kDead;
    s->err = ECONNRESET;
}

void child()
{
    g_lock.reset();
    g_pid = getpid();
    Region* r = g_own;
    region_after_fork();
    if (r != nullptr) {
        for (Sock *s = r->socks, *next; s != nullptr; s = next) {
            next = s->next;
            leave_region(s);
        }
        demux_clear(r->agent.control_fd());
        demux_clear(r->agent.wait_fd());
        demux_clear(r->agent.kick_fd());
        r->agent.abandon_in_child();
    }
    why_init();
}

}  // namespace

void fork_init()
{
    g_pid = getpid();
    pthread_atfork(prepare, parent, child);
}

bool fork_is_stranger()
{
    return static_cast<pid_t>(syscall(SYS_getpid)) != g_pid;
}

}  // namespace eta::al
