// SPDX-License-Identifier: MIT
// The application side of a region's memory: posts to send queues, reads receive queues, drains
// the event ring. Free of sockets, agent, locks and system calls, so that the simulator and the
// hostile tests drive the accelerator with the very code programs use.
// Any thread, one at a time: the caller serializes. No call waits.
//
// Contract with the accelerator beyond uapi/eta/dti.h:
//  - Incarnations. Before a DTI is used (connect, post_child, listen) its eta_dti_app is reset:
//    tx_tail, rx_head, sq_tail, ctl, accepted = 0, and then gen = eta_dti_fw.gen + 1. The
//    accelerator takes the connection on by resetting rx_tail, tx_acked, sq_head, rq_head, rq_tail,
//    flags, err and then storing gen = eta_dti_app.gen and the state. While the two gens differ
//    the state means "not taken on yet". ev_seq, ev_ack, db_seq, db_ack run on for ever.
//  - Order of stores in send(): bytes, [final len of the open entry, new entry, sq_tail], tx_tail,
//    doorbell. The accelerator loads tx_tail before sq_tail.
//  - Bytes received before the end stay readable after CLOSED, until the application closes or
//    uses the DTI again; only then the accelerator takes their buffers back.
//  - Every change to CLOSED raises an event, also when the application has already closed.
//  - A child the accelerator posts again by itself (handshake failed) gets a new gen; the
//    application adopts eta_dti_fw.gen when the child comes out of the accept ring.
//  - ETA_CTL_WANT_TX: the doorbell that first shows it raises an event; from then on every
//    acknowledgement does.
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include <eta/region.h>
#include <eta/ring_ops.h>

namespace eta::al {

inline constexpr uint32_t kNoDti = UINT32_MAX;

// Readiness bits; the values of EPOLLIN and so on.
inline constexpr uint32_t kReadIn = 0x001;
inline constexpr uint32_t kReadOut = 0x004;
inline constexpr uint32_t kReadErr = 0x008;
inline constexpr uint32_t kReadHup = 0x010;
inline constexpr uint32_t kReadRdHup = 0x2000;

// Library state of one DTI; its positions live in eta_dti_app. Line 0 is what send and recv touch.
struct alignas(64) AppDti {
    // -- line 0: hot --
    uint64_t open_start;  // stream position of the first byte of the open entry
    uint64_t cur_start;   // stream position of the receive buffer being read
    uint32_t open_buf;    // offset of the open buffer / ETA_BUF_SMALL
    uint32_t open_cap;    // its size, 0: none
    uint32_t cur_off;     // offset of the receive buffer / 64
    uint32_t cur_cap;     // its size, 0: not loaded
    uint32_t rq_cur;      // its free-running index in the receive queue
    uint32_t sq_reaped;   // send queue entries whose buffers were taken back, free-running
    uint32_t flags;       // AppRegion::Flag
    uint32_t snd_limit;   // unacknowledged bytes allowed
    uint32_t rx_rung;     // low word of rx_head when the last doorbell was rung
    uint32_t resv;
    // -- line 1: links (local index + 1; 0: none) and cookies --
    uint64_t user;        // the caller's
    uint32_t reap_next;
    uint32_t drain_next;
    uint32_t starve_next;
    uint32_t list_next;   // free list, closing list, or a master's accept queue
    uint32_t master;      // posted or accepted child: master + 1
    uint32_t acc_head;    // master: accept queue
    uint32_t acc_tail;
    uint32_t posted;      // master: children offered and not yet used
    uint32_t ready;       // master: length of the accept queue
    uint32_t share;       // processes other than the owner that hold it (fork)
    uint32_t resv1[4];
};
static_assert(sizeof(AppDti) == 128);

// Stack of free buffers of one size in the send pool.
struct BufStack {
    uint32_t* free_list;  // offsets / ETA_BUF_SMALL
    uint32_t n_free;
    uint32_t fresh;       // buffers [fresh, total) were never used: their memory is untouched
    uint32_t total;
    uint32_t base;        // offset of buffer 0 / ETA_BUF_SMALL
    uint32_t size;        // bytes of one buffer
};

struct AppStats {
    uint64_t tx_bytes;
    uint64_t rx_bytes;
    uint64_t doorbells;
    uint64_t kicks;
    uint64_t events;
    uint64_t starved;  // sends that found the send pool empty
};

class AppRegion {
public:
    using KickFn = void (*)(void*);

    enum Flag : uint32_t {
        kUsed = 1u << 0,        // handed out by dti_alloc
        kLive = 1u << 1,        // carries or awaits a connection: eta_dti_app.gen was bumped
        kClosing = 1u << 2,     // closed by the application, waits for CLOSED
        kWrShut = 1u << 3,
        kErrTaken = 1u << 4,    // err was reported once (as SO_ERROR does)
        kDrainListed = 1u << 5,
        kReapListed = 1u << 6,
        kStarved = 1u << 7,
        kPosted = 1u << 8,      // child offered to a master
        kMaster = 1u << 9,
        kOpenEntry = 1u << 10,  // newest entry is a SEND without final length
        kRdShut = 1u << 11,
        kOwnerGone = 1u << 12,  // the owner closed it while others held it
    };

    // Bytes of zeroed memory that init() wants for a region with this map.
    static size_t state_bytes(const eta_region_map& map);

    // `ro` and `rw` are the two mapped objects of the region, `state` as above (null: calloc).
    // 0 or -EPROTO when the map makes no sense to this library.
    [[nodiscard]] int init(const void* ro, void* rw, void* state = nullptr);
    void set_kick(KickFn fn, void* arg) { kick_ = fn; kick_arg_ = arg; }

    // -- life of a DTI --
    // The agent created DTIs [first, first + count): they may be given out by dti_alloc.
    void add_dtis(uint32_t first, uint32_t count);
    uint32_t dti_alloc();  // kNoDti: none free, ask the agent for more
    void dti_free(uint32_t d);  // of a DTI that was never connected, posted or listening
    // CONNECT. `addr` fields are 16-byte forms (network byte order). 0 or -ENOBUFS.
    int connect(uint32_t d, const eta_connect& args);
    // Makes `d` a master, before the agent's LISTEN command.
    void listen(uint32_t d);
    // A listener is gone (after UNLISTEN) or LISTEN failed: frees the master once the accelerator
    // let go, aborts connections nobody accepted, frees children still posted.
    void unlisten(uint32_t master);
    // Offers `child` (from dti_alloc) to `master`; ring(master) after the last one of a batch.
    void post_child(uint32_t master, uint32_t child);
    uint32_t accept(uint32_t master);  // established child, or kNoDti
    uint32_t posted(uint32_t master) const { return dti_[master].posted; }
    uint32_t accept_ready(uint32_t master) { drain_accepts(); return dti_[master].ready; }
    int shutdown_wr(uint32_t d);  // 0 or -ENOTCONN
    void shutdown_rd(uint32_t d);
    // The application is done with `d`: FIN after what was sent, RST when bytes were left unread.
    // The library keeps the DTI until the accelerator lets go of it.
    void close(uint32_t d);
    void abort(uint32_t d);  // RST now; otherwise as close

    // -- bytes --
    // Bytes taken (perhaps fewer than offered), -EAGAIN, -EPIPE, -ENOTCONN, or the connection's
    // error, once.
    int64_t send(uint32_t d, const iovec* iov, int n_iov);
    int64_t send(uint32_t d, const void* p, size_t len)
    {
        const iovec one = {const_cast<void*>(p), len};
        return send(d, &one, 1);
    }
    // Room for up to `want` bytes in one piece (0: none now), to be filled by the caller and then
    // published by send_commit: sendfile reads straight into the send buffer.
    uint64_t send_reserve(uint32_t d, uint64_t want, uint8_t** to);
    void send_commit(uint32_t d, uint64_t n);
    // Bytes, 0 at end of stream, -EAGAIN, or the connection's error, once. A null iov_base
    // discards (MSG_TRUNC).
    int64_t recv(uint32_t d, const iovec* iov, int n_iov, bool peek = false);
    int64_t recv(uint32_t d, void* p, size_t len, bool peek = false)
    {
        const iovec one = {p, len};
        return recv(d, &one, 1, peek);
    }
    uint64_t recv_ready(uint32_t d) const  // FIONREAD
    {
        return eta_load_acquire(&fw_[d].rx_tail) - app_[d].rx_head;
    }
    uint64_t send_pending(uint32_t d) const  // SIOCOUTQ
    {
        return app_[d].tx_tail - eta_load_acquire(&fw_[d].tx_acked);
    }

    // -- queries --
    uint32_t state(uint32_t d) const;  // ETA_DTI_*; CONNECTING until the accelerator took it on
    uint32_t poll_mask(uint32_t d);    // kRead* bits
    bool readable(uint32_t d) { return (poll_mask(d) & (kReadIn | kReadErr | kReadHup)) != 0; }
    bool writable(uint32_t d) { return (poll_mask(d) & (kReadOut | kReadErr | kReadHup)) != 0; }
    bool hangup(uint32_t d) { return (poll_mask(d) & (kReadRdHup | kReadHup)) != 0; }
    int peek_error(uint32_t d) const;  // errno (or ETA_ERR_USE_OS) of a connection that is over
    int take_error(uint32_t d);        // the same, once
    const eta_dti_fw& fw(uint32_t d) const { return fw_[d]; }
    const eta_dti_app& app(uint32_t d) const { return app_[d]; }
    uint64_t user(uint32_t d) const { return dti_[d].user; }
    void set_user(uint32_t d, uint64_t v) { dti_[d].user = v; }
    uint32_t flags(uint32_t d) const { return dti_[d].flags; }
    void set_snd_limit(uint32_t d, uint32_t bytes);

    // Processes that inherited a connection by fork hold a share of it. The last one closes it.
    void share_add(uint32_t d) { dti_[d].share++; }
    // Gives a share back; true: nobody holds the DTI any more, the caller must close it.
    bool share_drop(uint32_t d, bool owner_alive)
    {
        AppDti& s = dti_[d];
        s.share -= s.share != 0 ? 1 : 0;
        return s.share == 0 && (!owner_alive || (s.flags & kOwnerGone));
    }
    // The owner is done with it; true: nobody else holds it, the owner must close it.
    bool share_leave(uint32_t d)
    {
        AppDti& s = dti_[d];
        if (s.share == 0) {
            return true;
        }
        s.flags |= kOwnerGone;
        s.user = 0;
        return false;
    }

    void set_ctl(uint32_t d, uint32_t set, uint32_t clear);  // ETA_CTL_*; rings if changed
    void ring(uint32_t d);  // doorbell, and a kick if the accelerator sleeps
    // Caller is about to wait for room on `d`: asks for an event. True: there is room already.
    bool want_tx(uint32_t d);

    // -- events --
    // Local indices of DTIs whose state changed, at most `max`; each is acknowledged before it is
    // returned, so the caller reads the state afterwards. DTIs being closed are dealt with inside.
    uint32_t take_events(uint32_t* out, uint32_t max);
    template <typename Fn>
    uint32_t poll_events(Fn fn)
    {
        uint32_t batch[kEventBatch];
        uint32_t total = 0;
        for (uint32_t n; (n = take_events(batch, kEventBatch)) != 0;) {
            for (uint32_t i = 0; i < n; i++) {
                fn(batch[i]);
            }
            total += n;
        }
        return total;
    }
    bool events_ready() const
    {
        return eta_ring_ready(&ro_->event_prod, event_cons_word()) != 0 || starve_wake_ != 0;
    }
    // Doorbells that were put off: receive buffers drained since. At every wait and poll.
    void flush();
    // Buffers of up to `max_dtis` idle DTIs go back to the pool. Before a real sleep.
    void reap(uint32_t max_dtis);
    // Asks for one interrupt at the next event. False: an event is there already, do not sleep.
    [[nodiscard]] bool arm();

    // -- region --
    const eta_region_map& map() const { return ro_->map; }
    uint32_t n_dti() const { return eta_load_once(&ro_->n_dti); }
    bool fw_down() const { return eta_load_once(&ro_->fw_down) != 0; }
    const AppStats& stats() const { return stats_; }
    uint32_t held_small() const { return small_.fresh - small_.n_free; }
    uint32_t held_large() const { return large_.fresh - large_.n_free; }

    static constexpr uint32_t kEventBatch = 64;
    static constexpr uint32_t kSndLimit = 512 * 1024;   // default of snd_limit
    static constexpr uint32_t kRxQuarter = 128 * 1024;  // bytes read that are worth a doorbell
    static constexpr uint32_t kHoldBytes = 4u << 20;    // send buffers held before reaping starts
    static constexpr uint32_t kSqReserve = 2;           // entries kept for SHUTDOWN_WR and CLOSE

private:
    struct IovCursor;

    uint32_t event_cons_word() const { return eta_load_once(&rw_->event_cons); }
    eta_sqe* sq(uint32_t d) const { return sq_ + uint64_t{d} * ETA_SQ_DEPTH; }
    void begin(uint32_t d);
    void release(uint32_t d);
    bool over(uint32_t d) const;
    int64_t send_refusal(uint32_t d);
    uint64_t send_room(uint32_t d, uint64_t want) const;
    int64_t recv_empty(uint32_t d);
    bool room(uint32_t d, uint64_t unacked) const;
    bool next_buffer(uint32_t d, uint64_t tail, uint64_t want);
    void close_open_entry(uint32_t d);
    bool post(uint32_t d, uint32_t op, uint64_t off, uint32_t len);
    bool load_rx_buffer(uint32_t d, uint64_t head);
    uint64_t read_at(uint32_t d, uint64_t head, uint64_t want, const iovec* iov);
    void drained(uint32_t d);
    void reap_own(uint32_t d);
    void reap_list_add(uint32_t d);
    void starve(uint32_t d);
    uint32_t take_ring(uint32_t* out, uint32_t max);
    uint32_t take_starved(uint32_t* out, uint32_t max);
    void drain_accepts();
    bool collect_closing();
    uint32_t buf_get(BufStack& s);
    void buf_put(uint64_t off);
    void finish(uint32_t d, uint32_t op);

    // constant after init
    const eta_region_ro* ro_ = nullptr;
    eta_region_rw* rw_ = nullptr;
    const eta_dti_fw* fw_ = nullptr;
    eta_dti_app* app_ = nullptr;
    AppDti* dti_ = nullptr;
    eta_sqe* sq_ = nullptr;
    const eta_rqe* rq_ = nullptr;
    uint8_t* tx_pool_ = nullptr;
    const uint8_t* rx_pool_ = nullptr;
    const uint32_t* events_ = nullptr;
    const eta_child* accepts_ = nullptr;
    uint32_t* doorbells_ = nullptr;
    eta_child* children_ = nullptr;
    uint64_t rx_pool_bytes_ = 0;
    uint32_t mask_ = 0;
    KickFn kick_ = nullptr;
    void* kick_arg_ = nullptr;

    BufStack small_ = {};
    BufStack large_ = {};
    uint64_t held_bytes_ = 0;
    // lists; local index + 1, 0: empty
    uint32_t free_head_ = 0;
    uint32_t closing_head_ = 0;
    uint32_t closing_tail_ = 0;
    uint32_t reap_head_ = 0;
    uint32_t reap_tail_ = 0;
    uint32_t drain_head_ = 0;
    uint32_t starve_head_ = 0;
    uint32_t starve_wake_ = 0;  // buffers came back while somebody starves
    AppStats stats_ = {};
};

}  // namespace eta::al
