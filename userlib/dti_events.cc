// SPDX-License-Identifier: MIT
// Doorbells, events and the send pool of a region. See dti.h.
#include "dti.h"

namespace eta::al {

namespace {

bool newer(uint32_t a, uint32_t b)
{
    return static_cast<int32_t>(a - b) > 0;
}

}  // namespace

void AppRegion::ring(uint32_t d)
{
    eta_dti_app& a = app_[d];
    const uint32_t seq = a.db_seq;

    dti_[d].rx_rung = static_cast<uint32_t>(a.rx_head);
    if (!eta_notice_needed(seq, &fw_[d].db_ack)) {
        return;
    }
    eta_store_once(&a.db_seq, seq + 1);
    const uint32_t prod = rw_->doorbell_prod;
    doorbells_[prod & mask_] = d;
    eta_ring_publish(&rw_->doorbell_prod, prod + 1);
    stats_.doorbells++;
    eta_full_barrier(); /* F, matches the accelerator's E before it sleeps */
    if (eta_load_once(&ro_->fw_asleep) != 0 && kick_ != nullptr) {
        stats_.kicks++;
        kick_(kick_arg_);
    }
}

// -- events --

// One batch of the event ring. Zero: it is empty.
uint32_t AppRegion::take_ring(uint32_t* out, uint32_t max)
{
    uint32_t cons = rw_->event_cons;
    uint32_t n = eta_ring_ready(&ro_->event_prod, cons);
    n = n > max ? max : n;
    if (n == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < n; i++, cons++) {
        const uint32_t d = events_[cons & mask_] & mask_;
        // The accelerator queues nothing more for `d` until it sees this (B before the load).
        eta_store_once(&app_[d].ev_ack, eta_load_once(&fw_[d].ev_seq));
        out[i] = d;
    }
    eta_ring_release(&rw_->event_cons, cons);
    eta_full_barrier(); /* E, one for the batch: acknowledged before the state is read */
    stats_.events += n;
    return n;
}

uint32_t AppRegion::take_events(uint32_t* out, uint32_t max)
{
    uint32_t kept = starve_wake_ != 0 ? take_starved(out, max) : 0;
    bool closing = false;
    while (kept < max) {
        const uint32_t n = take_ring(out + kept, max - kept);
        if (n == 0) {
            break;
        }
        for (uint32_t i = 0, base = kept; i < n; i++) {
            const uint32_t d = out[base + i];
            if (dti_[d].flags & kClosing) {
                closing = true;
            } else {
                out[kept++] = d;
            }
        }
    }
    if (closing) {
        collect_closing();
    }
    return kept;
}

void AppRegion::flush()
{
    while (drain_head_ != 0) {
        const uint32_t d = drain_head_ - 1;
        AppDti& s = dti_[d];
        drain_head_ = s.drain_next;
        s.flags &= ~kDrainListed;
        if ((s.flags & kLive) && s.rx_rung != static_cast<uint32_t>(app_[d].rx_head)) {
            ring(d);
        }
    }
}

bool AppRegion::arm()
{
    eta_store_once(&rw_->armed_seq, rw_->armed_seq + 1);
    eta_full_barrier(); /* E */
    return !events_ready();
}

// -- send buffers --

// Offset / ETA_BUF_SMALL + 1, or 0.
uint32_t AppRegion::buf_get(BufStack& s)
{
    uint32_t unit;
    if (s.n_free != 0) {
        unit = s.free_list[--s.n_free];
    } else if (s.fresh < s.total) {
        unit = s.base + s.fresh++ * (s.size / ETA_BUF_SMALL);
    } else {
        return 0;
    }
    held_bytes_ += s.size;
    return unit + 1;
}

void AppRegion::buf_put(uint64_t off)
{
    const uint32_t unit = static_cast<uint32_t>(off / ETA_BUF_SMALL);
    BufStack& s = unit < large_.base ? small_ : large_;
    s.free_list[s.n_free++] = unit;
    held_bytes_ -= s.size;
    starve_wake_ = starve_head_;
}

void AppRegion::reap_list_add(uint32_t d)
{
    AppDti& s = dti_[d];
    if (s.flags & kReapListed) {
        return;
    }
    s.flags |= kReapListed;
    s.reap_next = 0;
    (reap_head_ == 0 ? reap_head_ : dti_[reap_tail_ - 1].reap_next) = d + 1;
    reap_tail_ = d + 1;
}

// Takes back the buffers of entries that are retired, and all of them when everything that was
// sent is acknowledged; then the open entry has no buffer any more and nothing is added to it.
void AppRegion::reap_own(uint32_t d)
{
    AppDti& s = dti_[d];
    if (!(s.flags & kLive)) {
        return;
    }
    const eta_dti_fw& f = fw_[d];
    const eta_dti_app& a = app_[d];
    if (eta_load_acquire(&f.gen) != a.gen) {
        return;
    }
    const uint64_t acked = eta_load_acquire(&f.tx_acked);
    const uint32_t head = eta_load_once(&f.sq_head);
    const bool all = acked == a.tx_tail;
    while (s.sq_reaped != a.sq_tail) {
        const eta_sqe& q = sq(d)[s.sq_reaped & (ETA_SQ_DEPTH - 1)];
        const bool retired = newer(head, s.sq_reaped);
        if (!retired && !(all && q.op == ETA_OP_SEND)) {
            break;
        }
        if (q.op == ETA_OP_SEND || q.op == ETA_OP_CONNECT) {
            buf_put(q.off);
        }
        s.sq_reaped++;
    }
    if (s.sq_reaped == a.sq_tail) {
        s.open_cap = 0;
        s.open_buf = 0;
    }
}

void AppRegion::reap(uint32_t max_dtis)
{
    for (uint32_t n = 0; reap_head_ != 0 && n < max_dtis; n++) {
        const uint32_t d = reap_head_ - 1;
        AppDti& s = dti_[d];
        const bool last = s.reap_next == 0;
        reap_head_ = s.reap_next;
        if (last) {
            reap_tail_ = 0;
        }
        s.flags &= ~kReapListed;
        reap_own(d);
        if ((s.flags & kLive) && s.sq_reaped != app_[d].sq_tail) {
            reap_list_add(d);
            if (last) {
                break;  // the only one: once round is enough
            }
        }
    }
}

// No buffer for `d`: whoever holds one longest is asked to tell when it is free.
void AppRegion::starve(uint32_t d)
{
    AppDti& s = dti_[d];
    stats_.starved++;
    if (!(s.flags & kStarved)) {
        s.flags |= kStarved;
        s.starve_next = starve_head_;
        starve_head_ = d + 1;
    }
    uint32_t holder = reap_head_;
    for (uint32_t n = 0; holder != 0 && n < 8; n++) {
        set_ctl(holder - 1, ETA_CTL_WANT_TX, 0);
        holder = dti_[holder - 1].reap_next;
    }
}

uint32_t AppRegion::take_starved(uint32_t* out, uint32_t max)
{
    uint32_t n = 0;
    while (starve_head_ != 0 && n < max / 2) {
        const uint32_t d = starve_head_ - 1;
        starve_head_ = dti_[d].starve_next;
        dti_[d].flags &= ~kStarved;
        if (!(dti_[d].flags & kClosing)) {
            out[n++] = d;
        }
    }
    starve_wake_ = 0;
    if (starve_head_ != 0 && n != 0) {
        starve_wake_ = starve_head_;
    }
    return n;
}

}  // namespace eta::al
