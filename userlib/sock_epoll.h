// SPDX-License-Identifier: MIT
// epoll for the program: a real kernel set for the operating system's descriptors, and on top of
// it an EpollSet for accelerated sockets. See sock_epoll.cc.
#pragma once

#include <signal.h>
#include <sys/epoll.h>

#include <cstdint>

#include "epoll_set.h"

namespace eta::al {

struct Sock;

int epoll_made(int epfd);  // epoll_create succeeded: makes the set known
int epoll_control(EpollSet* set, int op, int fd, epoll_event* ev);
int epoll_wait_on(EpollSet* set, epoll_event* out, int max, uint64_t deadline_ns,
                  const sigset_t* mask);
void epoll_closed(EpollSet* set, int fd);
void epoll_dup(EpollSet* set, int new_fd);
bool epoll_has_ready(EpollSet* set);  // for poll on an epoll descriptor

// A descriptor of the socket is closed: Linux forgets it in all sets. Held.
void epoll_forget(Sock* s, int fd);
// The socket changes sides: its items leave the kernel's sets and become accelerated ones, or back.
void epoll_to_eta(Sock* s);  // held
void epoll_to_os(Sock* s);   // held
void epoll_to_listener(Sock* s);  // held

}  // namespace eta::al
