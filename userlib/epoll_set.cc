// SPDX-License-Identifier: MIT
// See epoll_set.h.
#include "epoll_set.h"

namespace eta::al {

namespace {

constexpr uint32_t kModeBits = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;

void unready(EpollSet* s, EpollItem* it)
{
    (it->prev == nullptr ? s->head : it->prev->next) = it->next;
    (it->next == nullptr ? s->tail : it->next->prev) = it->prev;
    it->ready = false;
    s->n_ready--;
}

}  // namespace

void epoll_set_link(EpollSet* s, EpollItem* it)
{
    it->set = s;
    it->ready = false;
    it->next = nullptr;
    it->all_prev = nullptr;
    it->all_next = s->all;
    if (s->all != nullptr) {
        s->all->all_prev = it;
    }
    s->all = it;
    s->n_items++;
    epoll_item_event(it);
}

void epoll_set_unlink(EpollSet* s, EpollItem* it)
{
    if (it->ready) {
        unready(s, it);
    }
    (it->all_prev == nullptr ? s->all : it->all_prev->all_next) = it->all_next;
    if (it->all_next != nullptr) {
        it->all_next->all_prev = it->all_prev;
    }
    s->n_items--;
}

int epoll_set_collect(EpollSet* s, epoll_event* out, int max, ReadyFn ready)
{
    int n = 0;
    // Each item once: those put back at the tail are not seen again in this round.
    for (uint32_t left = s->n_ready; left != 0 && n < max && s->head != nullptr; left--) {
        EpollItem* it = s->head;
        unready(s, it);
        const uint32_t want = it->events & ~kModeBits;
        if (want == 0) {
            continue;  // EPOLLONESHOT has fired; a MOD brings it back
        }
        const uint32_t got = ready(it, want | EPOLLERR | EPOLLHUP) & (want | EPOLLERR | EPOLLHUP);
        if (got == 0) {
            continue;
        }
        out[n].events = got;
        out[n].data.u64 = it->data;
        n++;
        if (it->events & EPOLLONESHOT) {
            it->events &= kModeBits;
        } else if (!(it->events & EPOLLET)) {
            epoll_item_event(it);
        }
    }
    return n;
}

}  // namespace eta::al
