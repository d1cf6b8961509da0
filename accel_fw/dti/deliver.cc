// SPDX-License-Identifier: MIT
// Receive queue of a DTI: bytes from the wire go to their stream position in buffers of the
// region's receive pool, once (E7). Everything here is memory that the accelerator writes and the
// application can only read; what the application says is how far it has read, checked in fetch.
#include <cstring>

#include <eta/ring_ops.h>

#include "dti/dti.h"
#include "dti/internal.h"

namespace eta::fw::dti {

namespace {

uint8_t* buffer_of(RegionView& r, const eta_rqe& q)
{
    return r.rx_pool + uint64_t{q.off} * ETA_CACHELINE;
}

// Hands out the next buffer of the queue. Small only for a short message on an idle stream.
bool add_buffer(Engine& e, eta_ctx& c, uint64_t start, uint64_t need)
{
    RegionView& r = e.region_of(c);
    if (c.rq_tail - c.rq_head == ETA_RQ_DEPTH) {
        return false;
    }
    const bool want_small = c.rq_head == c.rq_tail && need <= ETA_BUF_SMALL;
    bool small = want_small ? !r.small.empty() : r.large.empty();
    if (small ? r.small.empty() : r.large.empty()) {
        return false;
    }
    eta_rqe& q = r.rq_of(c.local)[c.rq_tail & (ETA_RQ_DEPTH - 1)];
    const uint64_t off = small ? uint64_t{r.small.take()} * ETA_BUF_SMALL
                               : r.large_off + uint64_t{r.large.take()} * ETA_BUF_LARGE;
    q.start = start;
    q.off = static_cast<uint32_t>(off / ETA_CACHELINE);
    q.cap = small ? ETA_BUF_SMALL : ETA_BUF_LARGE;
    c.rq_tail++;
    return true;
}

// The entry that holds stream position `pos`, adding buffers up to it; null if there is none.
eta_rqe* entry_at(Engine& e, eta_ctx& c, uint64_t pos, uint32_t len)
{
    RegionView& r = e.region_of(c);
    eta_rqe* queue = r.rq_of(c.local);
    for (;;) {
        uint64_t end = c.rx_tail;
        for (uint32_t i = c.rq_tail; i != c.rq_head; i--) {
            eta_rqe& q = queue[(i - 1) & (ETA_RQ_DEPTH - 1)];
            if (i == c.rq_tail) {
                end = q.start + q.cap;
            }
            if (pos >= q.start && pos < q.start + q.cap) {
                return &q;
            }
        }
        if (pos < end || !add_buffer(e, c, end, pos + len - end)) {
            return nullptr;
        }
    }
}

void give_back(RegionView& r, const eta_rqe& q)
{
    const uint64_t off = uint64_t{q.off} * ETA_CACHELINE;
    if (q.cap == ETA_BUF_SMALL) {
        r.small.give(static_cast<uint32_t>(off / ETA_BUF_SMALL));
    } else {
        r.large.give(static_cast<uint32_t>((off - r.large_off) / ETA_BUF_LARGE));
    }
}

void copy_out(uint8_t* to, const Payload& p, uint32_t skip, uint32_t len)
{
    for (uint32_t i = 0; len != 0; i++) {
        if (skip >= p.piece[i].len) {
            skip -= p.piece[i].len;
            continue;
        }
        const uint32_t n = p.piece[i].len - skip < len ? p.piece[i].len - skip : len;
        std::memcpy(to, p.piece[i].data + skip, n);
        to += n;
        len -= n;
        skip = 0;
    }
}

void release_until(Engine& e, eta_ctx& c, uint64_t pos, bool all)
{
    RegionView& r = e.region_of(c);
    eta_rqe* queue = r.rq_of(c.local);
    const uint32_t before = c.rq_head;
    while (c.rq_head != c.rq_tail) {
        const eta_rqe& q = queue[c.rq_head & (ETA_RQ_DEPTH - 1)];
        if (!all && pos < q.start + q.cap) {
            break;
        }
        give_back(r, q);
        c.rq_head++;
    }
    if (c.rq_head != before) {
        eta_store_release(&r.fw[c.local].rq_head, c.rq_head);
    }
}

}  // namespace

uint32_t place(Engine& e, eta_ctx& c, uint64_t pos, const Payload& p, uint32_t skip, uint32_t len)
{
    if ((c.ctl & ETA_CTL_RD_SHUT) != 0) {
        return len;  // nobody will read it (shutdown(SHUT_RD))
    }
    uint32_t done = 0;
    while (done != len) {
        eta_rqe* q = entry_at(e, c, pos + done, len - done);
        if (q == nullptr) {
            e.counters.bump(Counter::rx_no_buffer);
            break;
        }
        const uint64_t at = pos + done - q->start;
        const uint64_t room = q->cap - at;
        const uint32_t n = room < len - done ? static_cast<uint32_t>(room) : len - done;
        copy_out(buffer_of(e.region_of(c), *q) + at, p, skip + done, n);
        done += n;
    }
    return done;
}

void received(Engine& e, eta_ctx& c)
{
    eta_dti_fw& f = e.region_of(c).fw[c.local];
    if ((c.ctl & ETA_CTL_RD_SHUT) != 0) {
        c.rx_head = c.rx_tail;
        release_until(e, c, 0, true);
    }
    e.counters.add(Counter::bytes_to_apps, c.rx_tail - f.rx_tail);
    eta_store_once(&f.rq_tail, c.rq_tail);
    eta_store_release(&f.rx_tail, c.rx_tail);
    if ((c.flags & ETA_CTX_F_RX_FIN) != 0) {
        eta_store_release(&f.flags, f.flags | ETA_DTI_F_RX_FIN);  // after the last byte
    }
    notify(e, c);
}

void release_read(Engine& e, eta_ctx& c)
{
    const bool all = c.rx_head == c.rx_tail && c.ooo_count == 0;
    release_until(e, c, c.rx_head, all);
}

void release_all(Engine& e, eta_ctx& c)
{
    release_until(e, c, 0, true);
}

}  // namespace eta::fw::dti
