// SPDX-License-Identifier: MIT
// Life of a DTI and queries; doorbells and events are in dti_events.cc, the byte paths in
// dti_stream.cc. See dti.h.
#include "dti.h"

#include <cstdlib>
#include <cstring>

namespace eta::al {

namespace {

size_t buffers(uint64_t bytes, uint32_t size)
{
    return static_cast<size_t>(bytes / size);
}

// A quarter of the pool in small buffers, the rest in large ones.
uint64_t small_bytes(const eta_region_map& map)
{
    return (map.tx_pool_size / 4) & ~uint64_t{ETA_BUF_LARGE - 1};
}

}  // namespace

size_t AppRegion::state_bytes(const eta_region_map& map)
{
    const uint64_t small = small_bytes(map);
    const size_t lists = buffers(small, ETA_BUF_SMALL) +
                         buffers(map.tx_pool_size - small, ETA_BUF_LARGE);
    return size_t{map.max_dti} * sizeof(AppDti) + lists * sizeof(uint32_t);
}

int AppRegion::init(const void* ro, void* rw, void* state)
{
    ro_ = static_cast<const eta_region_ro*>(ro);
    rw_ = static_cast<eta_region_rw*>(rw);
    const eta_region_map& m = ro_->map;
    if (m.magic != ETA_ABI_MAGIC || m.version != ETA_ABI_VERSION || m.max_dti == 0 ||
        (m.max_dti & (m.max_dti - 1)) != 0) {
        return -EPROTO;
    }
    if (state == nullptr) {
        state = std::calloc(1, state_bytes(m));
        if (state == nullptr) {
            return -ENOMEM;
        }
    }
    const uint8_t* r = static_cast<const uint8_t*>(ro);
    uint8_t* w = static_cast<uint8_t*>(rw);
    mask_ = m.max_dti - 1;
    fw_ = reinterpret_cast<const eta_dti_fw*>(r + m.ro_fw_off);
    rq_ = reinterpret_cast<const eta_rqe*>(r + m.ro_rq_off);
    events_ = reinterpret_cast<const uint32_t*>(r + m.ro_event_off);
    accepts_ = reinterpret_cast<const eta_child*>(r + m.ro_accept_off);
    rx_pool_ = r + m.ro_pool_off;
    rx_pool_bytes_ = uint64_t{m.rx_small} * ETA_BUF_SMALL + uint64_t{m.rx_large} * ETA_BUF_LARGE;
    app_ = reinterpret_cast<eta_dti_app*>(w + m.rw_app_off);
    sq_ = reinterpret_cast<eta_sqe*>(w + m.rw_sq_off);
    doorbells_ = reinterpret_cast<uint32_t*>(w + m.rw_doorbell_off);
    children_ = reinterpret_cast<eta_child*>(w + m.rw_child_off);
    tx_pool_ = w + m.rw_pool_off;
    dti_ = static_cast<AppDti*>(state);

    const uint64_t small = small_bytes(m);
    uint32_t* lists = reinterpret_cast<uint32_t*>(dti_ + m.max_dti);
    small_ = {lists, 0, 0, static_cast<uint32_t>(buffers(small, ETA_BUF_SMALL)), 0, ETA_BUF_SMALL};
    large_ = {lists + small_.total, 0, 0,
              static_cast<uint32_t>(buffers(m.tx_pool_size - small, ETA_BUF_LARGE)),
              static_cast<uint32_t>(small / ETA_BUF_SMALL), ETA_BUF_LARGE};
    return 0;
}

// -- life of a DTI --

void AppRegion::add_dtis(uint32_t first, uint32_t count)
{
    for (uint32_t i = count; i-- > 0;) {  // lowest index on top
        const uint32_t d = first + i;
        if (d > mask_) {
            continue;
        }
        dti_[d].list_next = free_head_;
        free_head_ = d + 1;
    }
}

uint32_t AppRegion::dti_alloc()
{
    if (free_head_ == 0 && !collect_closing()) {
        return kNoDti;
    }
    const uint32_t d = free_head_ - 1;
    AppDti& s = dti_[d];
    free_head_ = s.list_next;
    const uint32_t listed = s.flags & (kReapListed | kDrainListed | kStarved);
    s.flags = kUsed | listed;
    s.list_next = 0;
    s.master = 0;
    s.share = 0;
    s.user = 0;
    s.snd_limit = kSndLimit;
    eta_store_once(&app_[d].ctl, 0);
    return d;
}

void AppRegion::dti_free(uint32_t d)
{
    AppDti& s = dti_[d];
    s.flags &= kReapListed | kDrainListed | kStarved;
    s.list_next = free_head_;
    free_head_ = d + 1;
}

// Resets what the application owns of `d` and names the incarnation it wants (see dti.h).
void AppRegion::begin(uint32_t d)
{
    AppDti& s = dti_[d];
    eta_dti_app& a = app_[d];

    s.open_start = 0;
    s.cur_start = 0;
    s.open_buf = s.open_cap = 0;
    s.cur_off = s.cur_cap = 0;
    s.rq_cur = 0;
    s.sq_reaped = 0;
    s.rx_rung = 0;
    s.flags = (s.flags & (kReapListed | kDrainListed | kStarved)) | kUsed | kLive;
    eta_store_once(&a.tx_tail, 0);
    eta_store_once(&a.rx_head, 0);
    eta_store_once(&a.sq_tail, 0);
    eta_store_once(&a.ctl, 0);
    eta_store_once(&a.accepted, 0);
    eta_store_release(&a.gen, eta_load_once(&fw_[d].gen) + 1);
}

int AppRegion::connect(uint32_t d, const eta_connect& args)
{
    const uint32_t ctl = app_[d].ctl;
    begin(d);
    eta_store_once(&app_[d].ctl, ctl);
    const uint32_t buf = buf_get(small_);
    if (buf == 0) {
        dti_[d].flags &= ~kLive;
        return -ENOBUFS;
    }
    const uint64_t off = uint64_t{buf - 1} * ETA_BUF_SMALL;
    std::memcpy(tx_pool_ + off, &args, sizeof args);
    post(d, ETA_OP_CONNECT, off, sizeof args);
    reap_list_add(d);
    ring(d);
    return 0;
}

void AppRegion::listen(uint32_t d)
{
    begin(d);
    AppDti& s = dti_[d];
    s.flags |= kMaster;
    s.acc_head = s.acc_tail = 0;
    s.posted = s.ready = 0;
}

void AppRegion::unlisten(uint32_t master)
{
    drain_accepts();
    for (uint32_t c; (c = accept(master)) != kNoDti;) {
        abort(c);
    }
    AppDti& s = dti_[master];
    const bool seen = eta_load_acquire(&fw_[master].state) == ETA_DTI_LISTENING;
    if (!seen) {
        return;  // it may still hear of the listener: not safe to use again, so it stays unused
    }
    s.flags |= kClosing;
    s.list_next = 0;
    (closing_head_ == 0 ? closing_head_ : dti_[closing_tail_ - 1].list_next) = master + 1;
    closing_tail_ = master + 1;
}

void AppRegion::post_child(uint32_t master, uint32_t child)
{
    begin(child);
    AppDti& c = dti_[child];
    c.flags |= kPosted;
    c.master = master + 1;
    // Options set on the listening socket are inherited (as Linux does).
    eta_store_once(&app_[child].ctl, app_[master].ctl & (ETA_CTL_NODELAY | ETA_CTL_KEEPALIVE));
    c.snd_limit = dti_[master].snd_limit;
    dti_[master].posted++;
    const uint32_t prod = rw_->child_prod;
    children_[prod & mask_] = {master, child};
    eta_ring_publish(&rw_->child_prod, prod + 1);
}

void AppRegion::drain_accepts()
{
    uint32_t cons = rw_->accept_cons;
    uint32_t n = eta_ring_ready(&ro_->accept_prod, cons);
    if (n == 0) {
        return;
    }
    for (; n != 0; n--, cons++) {
        const eta_child e = accepts_[cons & mask_];
        if (e.child > mask_ || e.master > mask_ || !(dti_[e.child].flags & kPosted)) {
            continue;
        }
        AppDti& m = dti_[e.master];
        AppDti& c = dti_[e.child];
        c.flags &= ~kPosted;
        c.list_next = 0;
        m.posted--;
        m.ready++;
        eta_store_release(&app_[e.child].gen, eta_load_once(&fw_[e.child].gen));
        (m.acc_head == 0 ? m.acc_head : dti_[m.acc_tail - 1].list_next) = e.child + 1;
        m.acc_tail = e.child + 1;
    }
    eta_ring_release(&rw_->accept_cons, cons);
}

uint32_t AppRegion::accept(uint32_t master)
{
    AppDti& m = dti_[master];
    if (m.acc_head == 0) {
        drain_accepts();
        if (m.acc_head == 0) {
            return kNoDti;
        }
    }
    const uint32_t d = m.acc_head - 1;
    m.acc_head = dti_[d].list_next;
    m.ready--;
    dti_[d].list_next = 0;
    eta_store_release(&app_[master].accepted, app_[master].accepted + 1);
    return d;
}

// True when the accelerator will not touch the DTI any more.
bool AppRegion::over(uint32_t d) const
{
    const uint32_t gen = eta_load_acquire(&fw_[d].gen);  // before the state it vouches for
    const uint32_t st = eta_load_acquire(&fw_[d].state);
    if (dti_[d].flags & kMaster) {
        return st != ETA_DTI_LISTENING;
    }
    return st == ETA_DTI_CLOSED && gen == app_[d].gen;
}

void AppRegion::release(uint32_t d)
{
    AppDti& s = dti_[d];
    if (s.flags & kMaster) {
        const uint32_t n = n_dti();
        for (uint32_t c = 0; c < n && s.posted != 0; c++) {
            if ((dti_[c].flags & kPosted) && dti_[c].master == d + 1) {
                s.posted--;
                dti_free(c);
            }
        }
    } else {
        reap_own(d);
        // Entries that never went out (reset, abort): the accelerator has let go of all of them.
        for (; s.sq_reaped != app_[d].sq_tail; s.sq_reaped++) {
            const eta_sqe& q = sq(d)[s.sq_reaped & (ETA_SQ_DEPTH - 1)];
            if (q.op == ETA_OP_SEND || q.op == ETA_OP_CONNECT) {
                buf_put(q.off);
            }
        }
    }
    dti_free(d);
}

// Moves DTIs the accelerator has let go of from the closing list to the free list; looks at a
// bounded number of them. True if the free list is not empty afterwards.
bool AppRegion::collect_closing()
{
    uint32_t last = closing_tail_;
    for (uint32_t n = 0; closing_head_ != 0 && n < 64; n++) {
        const uint32_t d = closing_head_ - 1;
        AppDti& s = dti_[d];
        closing_head_ = s.list_next;
        if (closing_head_ == 0) {
            closing_tail_ = 0;
        }
        s.list_next = 0;
        if (over(d)) {
            release(d);
        } else {
            (closing_head_ == 0 ? closing_head_ : dti_[closing_tail_ - 1].list_next) = d + 1;
            closing_tail_ = d + 1;
        }
        if (d + 1 == last) {
            break;
        }
    }
    return free_head_ != 0;
}

void AppRegion::finish(uint32_t d, uint32_t op)
{
    AppDti& s = dti_[d];
    if (!(s.flags & kLive)) {
        dti_free(d);
        return;
    }
    if (over(d)) {
        if (eta_load_once(&fw_[d].rq_head) != eta_load_once(&fw_[d].rq_tail)) {
            eta_store_release(&app_[d].rx_head, eta_load_acquire(&fw_[d].rx_tail));
            ring(d);  // nobody will read the rest: its buffers can go back
        }
        release(d);
        return;
    }
    s.flags |= kClosing | kWrShut;
    s.user = 0;
    post(d, op, 0, 0);
    ring(d);
    s.list_next = 0;
    (closing_head_ == 0 ? closing_head_ : dti_[closing_tail_ - 1].list_next) = d + 1;
    closing_tail_ = d + 1;
}

void AppRegion::close(uint32_t d)
{
    // RFC 9293 3.10.4, RFC 1122 4.2.2.13: data that nobody will read is answered by RST.
    const bool unread = (dti_[d].flags & kLive) && eta_load_acquire(&fw_[d].gen) == app_[d].gen &&
                        recv_ready(d) != 0;
    finish(d, unread ? ETA_OP_ABORT : ETA_OP_CLOSE);
}

void AppRegion::abort(uint32_t d)
{
    finish(d, ETA_OP_ABORT);
}

int AppRegion::shutdown_wr(uint32_t d)
{
    AppDti& s = dti_[d];
    const uint32_t st = state(d);
    if (st == ETA_DTI_CLOSED || st == ETA_DTI_FREE || !(s.flags & kLive)) {
        return -ENOTCONN;
    }
    if (!(s.flags & kWrShut)) {
        s.flags |= kWrShut;
        post(d, ETA_OP_SHUTDOWN_WR, 0, 0);
        ring(d);
    }
    return 0;
}

void AppRegion::shutdown_rd(uint32_t d)
{
    dti_[d].flags |= kRdShut;
    set_ctl(d, ETA_CTL_RD_SHUT, 0);
}

// -- queries --

uint32_t AppRegion::state(uint32_t d) const
{
    const uint32_t gen = eta_load_acquire(&fw_[d].gen);  // before the state it vouches for
    const uint32_t st = eta_load_acquire(&fw_[d].state);
    if (dti_[d].flags & kMaster) {
        return st;
    }
    const bool taken_on = gen == app_[d].gen && st != ETA_DTI_FREE;
    return taken_on ? st : ETA_DTI_CONNECTING;
}

int AppRegion::peek_error(uint32_t d) const
{
    if (state(d) != ETA_DTI_CLOSED || (dti_[d].flags & kErrTaken)) {
        return 0;
    }
    const int err = static_cast<int>(eta_load_once(&fw_[d].err));
    // As Linux: a reset in answer to something sent after the peer's FIN is a broken pipe.
    const bool after_fin = (eta_load_once(&fw_[d].flags) & ETA_DTI_F_RX_FIN) != 0;
    return err == ECONNRESET && after_fin ? EPIPE : err;
}

int AppRegion::take_error(uint32_t d)
{
    const int err = peek_error(d);
    if (err != 0) {
        dti_[d].flags |= kErrTaken;
    }
    return err;
}

uint32_t AppRegion::poll_mask(uint32_t d)
{
    AppDti& s = dti_[d];
    const eta_dti_fw& f = fw_[d];
    if (s.flags & kMaster) {
        return accept_ready(d) != 0 ? kReadIn : 0;
    }
    const uint32_t st = state(d);
    if (st == ETA_DTI_CONNECTING) {
        return 0;
    }
    if (st != ETA_DTI_ESTABLISHED) {
        const uint32_t err = peek_error(d) != 0 ? kReadErr : 0;
        return kReadIn | kReadOut | kReadRdHup | kReadHup | err;
    }
    uint32_t mask = 0;
    const uint64_t tail = eta_load_acquire(&f.rx_tail);
    const bool fin = (eta_load_once(&f.flags) & ETA_DTI_F_RX_FIN) || (s.flags & kRdShut);
    if (tail != app_[d].rx_head) {
        mask |= kReadIn;
    }
    if (fin) {
        mask |= kReadIn | kReadRdHup | ((s.flags & kWrShut) ? kReadHup : 0);
    }
    if ((s.flags & kWrShut) || room(d, send_pending(d))) {
        mask |= kReadOut;
    }
    return mask;
}

void AppRegion::set_snd_limit(uint32_t d, uint32_t bytes)
{
    constexpr uint32_t kMax = (ETA_SQ_DEPTH - kSqReserve) * ETA_BUF_LARGE;
    constexpr uint32_t kMin = 32768;  // less would wait for delayed acknowledgements
    dti_[d].snd_limit = bytes < kMin ? kMin : bytes > kMax ? kMax : bytes;
}

void AppRegion::set_ctl(uint32_t d, uint32_t set, uint32_t clear)
{
    const uint32_t old = app_[d].ctl;
    const uint32_t now = (old & ~clear) | set;
    if (now == old) {
        return;
    }
    eta_store_once(&app_[d].ctl, now);
    if (dti_[d].flags & kLive) {
        ring(d);
    }
}

}  // namespace eta::al
