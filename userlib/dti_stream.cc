// SPDX-License-Identifier: MIT
// The byte paths of a DTI: send and recv. See dti.h. One copy each way, nothing but the work.
#include <cstring>

#include "dti.h"

namespace eta::al {

// Walks an array of iovecs; the caller never asks for more than the sum of their lengths.
struct AppRegion::IovCursor {
    const iovec* v;
    size_t done = 0;  // bytes of *v already used

    void copy_out(uint8_t* to, uint64_t n)
    {
        while (n != 0) {
            const uint64_t here = v->iov_len - done;
            const uint64_t take = here < n ? here : n;
            std::memcpy(to, static_cast<const uint8_t*>(v->iov_base) + done, take);
            advance(take, here);
            to += take;
            n -= take;
        }
    }

    void copy_in(const uint8_t* from, uint64_t n)
    {
        while (n != 0) {
            const uint64_t here = v->iov_len - done;
            const uint64_t take = here < n ? here : n;
            if (v->iov_base != nullptr) {
                std::memcpy(static_cast<uint8_t*>(v->iov_base) + done, from, take);
            }
            advance(take, here);
            from += take;
            n -= take;
        }
    }

private:
    void advance(uint64_t take, uint64_t here)
    {
        done += take;
        if (take == here) {
            v++;
            done = 0;
        }
    }
};

namespace {

uint64_t total_of(const iovec* iov, int n_iov)
{
    uint64_t total = 0;
    for (int i = 0; i < n_iov; i++) {
        total += iov[i].iov_len;
    }
    return total;
}

}  // namespace

// Stores the final length in the newest entry if it is an open SEND.
void AppRegion::close_open_entry(uint32_t d)
{
    AppDti& s = dti_[d];
    if (!(s.flags & kOpenEntry)) {
        return;
    }
    s.flags &= ~kOpenEntry;
    s.open_cap = 0;
    const eta_dti_app& a = app_[d];
    eta_sqe& q = sq(d)[(a.sq_tail - 1) & (ETA_SQ_DEPTH - 1)];
    eta_store_once(&q.len, static_cast<uint32_t>(a.tx_tail - s.open_start));
}

// Publishes an entry. False: the queue is full, which kSqReserve excludes for all but SEND.
bool AppRegion::post(uint32_t d, uint32_t op, uint64_t off, uint32_t len)
{
    eta_dti_app& a = app_[d];
    const bool taken_on = eta_load_acquire(&fw_[d].gen) == a.gen;
    const uint32_t head = taken_on ? eta_load_acquire(&fw_[d].sq_head) : 0;

    if (a.sq_tail - head >= ETA_SQ_DEPTH) {
        return false;
    }
    reap_own(d);
    close_open_entry(d);
    sq(d)[a.sq_tail & (ETA_SQ_DEPTH - 1)] = {static_cast<__u8>(op), 0, 0, len, off};
    if (op != ETA_OP_SEND && op != ETA_OP_CONNECT && dti_[d].sq_reaped == a.sq_tail) {
        dti_[d].sq_reaped++;  // holds no buffer
    }
    eta_store_release(&a.sq_tail, a.sq_tail + 1);
    return true;
}

// Opens a new SEND entry for `want` bytes at stream position `tail`; everything before it has been
// published. False: no entry or no buffer.
bool AppRegion::next_buffer(uint32_t d, uint64_t tail, uint64_t want)
{
    AppDti& s = dti_[d];
    const uint32_t used = app_[d].sq_tail - eta_load_acquire(&fw_[d].sq_head);

    if (used >= ETA_SQ_DEPTH - kSqReserve) {
        return false;
    }
    reap_own(d);
    if (held_bytes_ > kHoldBytes) {
        reap(2);
    }
    const uint64_t unacked = tail - eta_load_once(&fw_[d].tx_acked);
    const bool small = unacked + want <= ETA_BUF_SMALL;
    uint32_t buf = buf_get(small ? small_ : large_);
    uint32_t cap = small ? ETA_BUF_SMALL : ETA_BUF_LARGE;
    if (buf == 0) {
        buf = buf_get(small ? large_ : small_);
        cap = small ? ETA_BUF_LARGE : ETA_BUF_SMALL;
    }
    if (buf == 0) {
        reap(64);
        starve(d);
        return false;
    }
    post(d, ETA_OP_SEND, uint64_t{buf - 1} * ETA_BUF_SMALL, 0);
    s.open_start = tail;
    s.open_buf = buf - 1;
    s.open_cap = cap;
    s.flags |= kOpenEntry;
    reap_list_add(d);
    return true;
}

int64_t AppRegion::send_refusal(uint32_t d)
{
    const uint32_t st = state(d);
    if (!(dti_[d].flags & kLive)) {
        return -ENOTCONN;
    }
    if (st == ETA_DTI_CONNECTING) {
        return -EAGAIN;
    }
    const int err = take_error(d);
    return err != 0 ? -err : -EPIPE;
}

// How many of `want` bytes the limit of unacknowledged bytes lets in.
uint64_t AppRegion::send_room(uint32_t d, uint64_t want) const
{
    const uint64_t unacked = app_[d].tx_tail - eta_load_acquire(&fw_[d].tx_acked);
    const uint64_t limit = dti_[d].snd_limit;
    const uint64_t room = unacked >= limit ? 0 : limit - unacked;
    return room < want ? room : want;
}

int64_t AppRegion::send(uint32_t d, const iovec* iov, int n_iov)
{
    AppDti& s = dti_[d];
    eta_dti_app& a = app_[d];

    if ((s.flags & kWrShut) || state(d) != ETA_DTI_ESTABLISHED) {
        return (s.flags & kWrShut) ? -EPIPE : send_refusal(d);
    }
    const uint64_t total = total_of(iov, n_iov);
    if (total == 0) {
        return 0;
    }
    const uint64_t start = a.tx_tail;
    uint64_t tail = start;
    IovCursor from{iov};
    for (uint64_t want = send_room(d, total); want != 0;) {
        uint64_t space = s.open_cap != 0 ? s.open_cap - (tail - s.open_start) : 0;
        if (space == 0) {
            if (!next_buffer(d, tail, want)) {
                break;
            }
            space = s.open_cap;
        }
        const uint64_t n = space < want ? space : want;
        from.copy_out(tx_pool_ + uint64_t{s.open_buf} * ETA_BUF_SMALL + (tail - s.open_start), n);
        tail += n;
        want -= n;
        eta_store_release(&a.tx_tail, tail);
    }
    if (tail - start != total) {
        set_ctl(d, ETA_CTL_WANT_TX, 0);
        if (tail == start) {
            return -EAGAIN;
        }
    } else if (a.ctl & ETA_CTL_WANT_TX) {
        eta_store_once(&a.ctl, a.ctl & ~ETA_CTL_WANT_TX);
    }
    stats_.tx_bytes += tail - start;
    ring(d);
    return static_cast<int64_t>(tail - start);
}

uint64_t AppRegion::send_reserve(uint32_t d, uint64_t want, uint8_t** to)
{
    AppDti& s = dti_[d];
    const uint64_t tail = app_[d].tx_tail;

    want = send_room(d, want);
    if ((s.flags & kWrShut) || state(d) != ETA_DTI_ESTABLISHED || want == 0) {
        return 0;
    }
    if ((s.open_cap == 0 || tail - s.open_start == s.open_cap) && !next_buffer(d, tail, want)) {
        return 0;
    }
    const uint64_t at = tail - s.open_start;
    *to = tx_pool_ + uint64_t{s.open_buf} * ETA_BUF_SMALL + at;
    return s.open_cap - at < want ? s.open_cap - at : want;
}

void AppRegion::send_commit(uint32_t d, uint64_t n)
{
    if (n != 0) {
        eta_store_release(&app_[d].tx_tail, app_[d].tx_tail + n);
        stats_.tx_bytes += n;
        ring(d);
    }
}

// A writer would find room for a good piece: two thirds of the limit are the mark, as in Linux,
// so that a blocked sender is not woken for every acknowledgement.
bool AppRegion::room(uint32_t d, uint64_t unacked) const
{
    const AppDti& s = dti_[d];
    if (unacked * 3 > uint64_t{s.snd_limit} * 2) {
        return false;
    }
    if (s.open_cap != 0 && app_[d].tx_tail - s.open_start < s.open_cap) {
        return true;
    }
    if (app_[d].sq_tail - eta_load_acquire(&fw_[d].sq_head) >= ETA_SQ_DEPTH - kSqReserve) {
        return false;
    }
    return !(s.flags & kStarved) || small_.n_free + large_.n_free != 0 ||
           small_.fresh < small_.total || large_.fresh < large_.total;
}

bool AppRegion::want_tx(uint32_t d)
{
    set_ctl(d, ETA_CTL_WANT_TX, 0);
    eta_full_barrier();
    return (poll_mask(d) & (kReadOut | kReadErr | kReadHup)) != 0;
}

// Makes cur_* describe the buffer that holds position `head`. False: nothing usable there.
bool AppRegion::load_rx_buffer(uint32_t d, uint64_t head)
{
    AppDti& s = dti_[d];
    const uint32_t rq_head = eta_load_acquire(&fw_[d].rq_head);
    const uint32_t rq_tail = eta_load_once(&fw_[d].rq_tail);

    if (static_cast<int32_t>(rq_head - s.rq_cur) > 0) {
        s.rq_cur = rq_head;
    }
    for (; s.rq_cur != rq_tail; s.rq_cur++) {
        const eta_rqe& q = rq_[uint64_t{d} * ETA_RQ_DEPTH + (s.rq_cur & (ETA_RQ_DEPTH - 1))];
        if (head >= q.start && head - q.start < q.cap) {
            s.cur_start = q.start;
            s.cur_off = q.off;
            s.cur_cap = q.cap;
            return uint64_t{q.off} * 64 + q.cap <= rx_pool_bytes_;
        }
    }
    s.cur_cap = 0;
    return false;
}

int64_t AppRegion::recv_empty(uint32_t d)
{
    AppDti& s = dti_[d];
    const uint32_t st = state(d);
    if (!(s.flags & kLive)) {
        return -ENOTCONN;
    }
    if (st == ETA_DTI_CONNECTING) {
        return -EAGAIN;
    }
    if (st == ETA_DTI_ESTABLISHED) {
        if ((eta_load_acquire(&fw_[d].flags) & ETA_DTI_F_RX_FIN) || (s.flags & kRdShut)) {
            // FIN is published after the last byte: look once more.
            return recv_ready(d) != 0 ? -EAGAIN : 0;
        }
        return -EAGAIN;
    }
    if (recv_ready(d) != 0) {
        return -EAGAIN;  // the last bytes came in just now: they are read before the end
    }
    if (recv_ready(d) != 0) {
        return -EAGAIN;  // arrived since the caller looked
    }
    const int err = take_error(d);
    return err != 0 ? -err : 0;
}

void AppRegion::drained(uint32_t d)
{
    AppDti& s = dti_[d];
    if (!(s.flags & kDrainListed)) {
        s.flags |= kDrainListed;
        s.drain_next = drain_head_;
        drain_head_ = d + 1;
    }
}

// Copies up to `want` bytes at stream position `head`; how many.
uint64_t AppRegion::read_at(uint32_t d, uint64_t head, uint64_t want, const iovec* iov)
{
    AppDti& s = dti_[d];
    IovCursor to{iov};
    uint64_t done = 0;

    if (static_cast<int32_t>(eta_load_once(&fw_[d].rq_head) - s.rq_cur) > 0) {
        s.cur_cap = 0;  // the accelerator took the buffer back: all of it was read
    }
    while (done != want) {
        uint64_t at = head + done - s.cur_start;
        if (at >= s.cur_cap) {
            if (!load_rx_buffer(d, head + done)) {
                break;
            }
            at = head + done - s.cur_start;
        }
        const uint64_t n = s.cur_cap - at < want - done ? s.cur_cap - at : want - done;
        to.copy_in(rx_pool_ + uint64_t{s.cur_off} * 64 + at, n);
        done += n;
    }
    return done;
}

int64_t AppRegion::recv(uint32_t d, const iovec* iov, int n_iov, bool peek)
{
    AppDti& s = dti_[d];
    eta_dti_app& a = app_[d];
    const eta_dti_fw& f = fw_[d];

    if (!(s.flags & kLive) || eta_load_acquire(&f.gen) != a.gen) {
        return recv_empty(d);
    }
    const uint64_t head = a.rx_head;
    const uint64_t ready = eta_load_acquire(&f.rx_tail) - head;
    if (ready == 0) {
        return recv_empty(d);
    }
    const uint64_t total = total_of(iov, n_iov);
    if (peek) {
        const AppDti cursor = s;
        const uint64_t n = read_at(d, head, total < ready ? total : ready, iov);
        s = cursor;
        return static_cast<int64_t>(n);
    }
    const uint64_t n = read_at(d, head, total < ready ? total : ready, iov);
    eta_store_release(&a.rx_head, head + n);
    stats_.rx_bytes += n;
    if (static_cast<uint32_t>(head + n) - s.rx_rung >= kRxQuarter) {
        ring(d);
    } else if (n == ready) {
        drained(d);
    }
    return static_cast<int64_t>(n);
}

}  // namespace eta::al
