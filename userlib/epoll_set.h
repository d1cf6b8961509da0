// SPDX-License-Identifier: MIT
// The state machine of an epoll set for accelerated sockets: which items are ready, in which mode.
// Knows nothing of sockets or the kernel: readiness comes from a function, so that tests can play
// all cases. The caller serializes. Cost per event does not depend on the number of items (T6).
#pragma once

#include <sys/epoll.h>

#include <cstdint>

namespace eta::al {

struct EpollSet;

struct EpollItem {
    void* object;         // the socket
    EpollSet* set;
    EpollItem* obj_next;  // other items of the same object; or free list
    EpollItem* next;      // ready list of the set
    EpollItem* prev;
    EpollItem* all_next;  // items of the set
    EpollItem* all_prev;
    uint64_t data;        // epoll_data of the program
    uint32_t events;      // wanted; without EPOLLIN.. bits: disabled by EPOLLONESHOT
    int fd;
    bool ready;           // in the ready list
    bool in_kernel;       // the descriptor is in the kernel's set too (new or listening socket)
    bool active;          // accelerated: counted in n_active
};

struct EpollSet {
    int epfd;
    uint32_t n_items;
    uint32_t n_active;    // accelerated ones; none: the kernel's set does it all
    uint32_t refs;        // descriptors (dup)
    EpollItem* head;      // ready list
    EpollItem* tail;
    EpollItem* all;
    uint32_t n_ready;
    uint32_t n_os;        // descriptors in the kernel's set, as far as known
    uint32_t waiters;     // threads blocked in the kernel on this set
    uint32_t os_turn;     // calls since the kernel's set was last looked at
    uint32_t epoch;       // g_epoch when the wait descriptors were added
    int nudge_fd;         // wakes another waiter of the same set; -1: not made yet
    uint32_t n_foreign;   // items whose sockets live in inherited regions
};

// Something happened to the item: it will be looked at by the next collect.
inline void epoll_item_event(EpollItem* it)
{
    if (it->ready) {
        return;
    }
    EpollSet* s = it->set;
    it->ready = true;
    it->next = nullptr;
    it->prev = s->tail;
    (s->head == nullptr ? s->head : s->tail->next) = it;
    s->tail = it;
    s->n_ready++;
}

void epoll_set_link(EpollSet* s, EpollItem* it);    // new item: looked at by the next collect
void epoll_set_unlink(EpollSet* s, EpollItem* it);

// Readiness of an item's object; `want` are the events asked for.
using ReadyFn = uint32_t (*)(EpollItem* it, uint32_t want);

// Reports up to `max` ready items in turn. Level-triggered ones stay in the ready list.
int epoll_set_collect(EpollSet* s, epoll_event* out, int max, ReadyFn ready);

}  // namespace eta::al
