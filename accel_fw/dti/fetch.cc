// SPDX-License-Identifier: MIT
// Doorbells and child rings: what applications ask for (E2, E14). Copy once, validate, check the
// owner, then act. Nothing read here is read again, and a bad value costs its DTI, nobody else.
#include <cerrno>
#include <cstring>

#include <eta/ring_ops.h>

#include "dti/dti.h"
#include "dti/internal.h"
#include "tcp/tcp.h"

namespace eta::fw::dti {

namespace {

constexpr uint32_t kBurst = 32;         // doorbells of one region handled together
constexpr uint32_t kRegionBudget = 256; // doorbells of one region and turn
constexpr uint32_t kIdleTurns = 1024;   // a region this long without a doorbell is polled less
constexpr uint32_t kDyingBudget = 256;  // DTIs of dead programs looked at in one turn
constexpr uint64_t kMaxUnacked = uint64_t{1} << 30;

// The application's status block, copied once.
struct Snapshot {
    uint64_t tx_tail;
    uint64_t rx_head;
    uint32_t sq_tail;
    uint32_t ctl;
    uint32_t gen;
};

Snapshot read_status(const eta_dti_app& a)
{
    Snapshot s;
    s.gen = eta_load_acquire(&a.gen);  // stored last when a DTI is used again
    // tx_tail before sq_tail: bytes never run ahead of the entries that hold them.
    s.tx_tail = eta_load_acquire(&a.tx_tail);
    s.sq_tail = eta_load_acquire(&a.sq_tail);
    s.rx_head = eta_load_once(&a.rx_head);
    s.ctl = eta_load_once(&a.ctl);
    return s;
}

bool status_ok(const eta_ctx& c, const Snapshot& s)
{
    return s.sq_tail - c.sq_una <= ETA_SQ_DEPTH &&
           s.sq_tail - c.sq_una >= c.sq_tail - c.sq_una &&
           s.tx_tail >= c.tx_tail && s.tx_tail - c.tx_acked <= kMaxUnacked &&
           s.rx_head >= c.rx_head && s.rx_head <= c.rx_tail;
}

// What the new entries of a send queue ask for besides bytes.
struct Requests {
    bool shutdown = false;
    bool close = false;
    bool abort = false;
};

// Checks one entry. False: it breaks a rule, counted in *why.
bool check_entry(const RegionView& r, const eta_sqe& q, bool fin_queued, Requests* req,
                 Counter* why)
{
    *why = Counter::bad_entry;
    if (q.resv != 0) {
        return false;
    }
    if (q.op == ETA_OP_SEND) {
        *why = fin_queued || req->shutdown || req->close ? Counter::bad_order : *why;
        return *why == Counter::bad_entry && q.key == 0 && q.off < r.tx_pool_size;
    }
    req->shutdown |= q.op == ETA_OP_SHUTDOWN_WR;
    req->close |= q.op == ETA_OP_CLOSE;
    req->abort |= q.op == ETA_OP_ABORT;
    if (q.op == ETA_OP_CONNECT) {
        *why = Counter::bad_order;
        return false;
    }
    return q.op == ETA_OP_SHUTDOWN_WR || q.op == ETA_OP_CLOSE || q.op == ETA_OP_ABORT;
}

// A live connection: new bytes, room in the receive window, shutdown, close.
void fetch_connection(Engine& e, RegionView& r, eta_ctx& c, const Snapshot& s)
{
    if (!status_ok(c, s)) {
        close_bad(e, c, Counter::bad_status);
        return;
    }
    Requests req;
    const eta_sqe* queue = r.sq_of(c.local);
    const bool fin = (c.flags & (ETA_CTX_F_FIN_QUEUED | ETA_CTX_F_ORPHAN)) != 0;
    for (uint32_t i = c.sq_tail; i != s.sq_tail; i++) {
        Counter why;
        if (!check_entry(r, read_entry(queue, i), fin, &req, &why)) {
            close_bad(e, c, why);
            return;
        }
    }
    if (fin && s.tx_tail != c.tx_tail) {
        close_bad(e, c, Counter::bad_order);
        return;
    }
    c.sq_tail = s.sq_tail;
    c.tx_tail = s.tx_tail;
    c.rx_head = s.rx_head;
    if ((s.ctl & ~c.ctl & ETA_CTL_WANT_TX) != 0) {
        notify(e, c);  // what it waits for may have happened before we knew
    }
    c.ctl = s.ctl;
    release_read(e, c);
    if (req.abort) {
        c.flags |= ETA_CTX_F_ORPHAN;
        tcp_abort(e, c, ECONNRESET, true);
        return;
    }
    if (req.close) {
        tcp_app_close(e, c);
    } else if (req.shutdown) {
        tcp_app_shutdown(e, c);
    } else {
        tcp_app_update(e, c);
    }
}

int read_connect(const RegionView& r, const eta_sqe& q, eta_connect* args)
{
    if (q.resv != 0 || q.key != 0 || q.len != sizeof *args || q.off > r.tx_pool_size ||
        r.tx_pool_size - q.off < sizeof *args) {
        return EINVAL;
    }
    std::memcpy(args, r.tx_pool + q.off, sizeof *args);
    for (uint32_t word : args->resv) {
        if (word != 0) {
            return EINVAL;
        }
    }
    return args->sport != 0 ? EPERM : 0;
}

// A free DTI: only CONNECT makes sense, or giving back the bytes of its last connection.
void fetch_free(Engine& e, RegionView& r, eta_ctx& c, uint32_t local, const Snapshot& s)
{
    const uint32_t gen = r.fw[local].gen;
    if (s.gen == gen) {
        if (c.region == r.id && s.rx_head >= c.rx_head && s.rx_head <= c.rx_tail) {
            c.rx_head = s.rx_head;
            release_read(e, c);
        }
        return;
    }
    if (s.gen != gen + 1 || (c.flags & ETA_CTX_F_POSTED) != 0) {
        e.counters.bump(Counter::doorbells_stale);
        return;
    }
    if (s.sq_tail == 0) {
        return;  // made ready but nothing asked for: perhaps on its way through the child ring
    }
    const eta_sqe q = read_entry(r.sq_of(local), 0);
    if (s.sq_tail > ETA_SQ_DEPTH || s.rx_head != 0 || q.op != ETA_OP_CONNECT) {
        // Not close_bad(): the context of a DTI never used names no region yet.
        e.counters.bump(Counter::bad_order);
        eta_store_once(&r.ro->closed_bad, r.ro->closed_bad + 1);
        return;
    }
    c.listener = 0;
    c.master = 0;
    begin(e, c, r.id, local);
    c.sq_una = c.sq_tail = 1;
    c.ctl = s.ctl;
    eta_store_once(&r.fw[local].sq_head, 1u);
    eta_connect args;
    int err = read_connect(r, q, &args);
    if (err != 0) {
        e.counters.bump(Counter::bad_entry);
        eta_store_once(&r.ro->closed_bad, r.ro->closed_bad + 1);
    } else {
        err = tcp_connect(e, c, args);
    }
    if (err != 0) {
        closed(e, c, err);
        return;
    }
    if (r.fw[local].state == ETA_DTI_FREE) {
        eta_store_release(&r.fw[local].state, ETA_DTI_CONNECTING);
    }
    if (s.sq_tail != 1) {
        fetch_connection(e, r, c, s);  // bytes or a close right behind the CONNECT
    }
}

void fetch_dti(Engine& e, RegionView& r, uint32_t local)
{
    eta_ctx& c = e.ctx(r.ctx_of[local]);
    const Snapshot s = read_status(r.app[local]);
    if (c.state == ETA_TCP_FREE) {
        fetch_free(e, r, c, local, s);
        return;
    }
    if (c.state == ETA_TCP_LISTEN) {
        return;  // a master: its words are read when a client comes
    }
    if (s.gen != c.gen) {
        e.counters.bump(Counter::doorbells_stale);
        return;
    }
    fetch_connection(e, r, c, s);
}

// Up to kBurst doorbells: read indices, acknowledge all with one barrier, then look at each.
uint32_t fetch_burst(Engine& e, RegionView& r, uint32_t n)
{
    uint32_t locals[kBurst];
    uint32_t good = 0;
    const uint32_t n_dti = r.n_dti();
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t local = eta_load_once(&r.doorbell[(r.doorbell_cons + i) & (r.max_dti - 1)]);
        if (local >= n_dti || r.ctx_of[local] == 0) {
            e.counters.bump(Counter::bad_index);
            continue;
        }
        __builtin_prefetch(&r.app[local]);
        __builtin_prefetch(&e.ctx(r.ctx_of[local]));
        locals[good++] = local;
    }
    r.doorbell_cons += n;
    for (uint32_t i = 0; i < good; i++) {
        eta_store_once(&r.fw[locals[i]].db_ack, eta_load_once(&r.app[locals[i]].db_seq));
    }
    eta_full_barrier();  // E: see ring_ops.h; F is in the application's doorbell
    for (uint32_t i = 0; i < good; i++) {
        fetch_dti(e, r, locals[i]);
    }
    e.counters.add(Counter::doorbells, good);
    return n;
}

uint32_t fetch_children(Engine& e, RegionView& r)
{
    const uint32_t ready = eta_ring_ready(&r.rw->child_prod, r.child_cons);
    if (ready == 0) {
        return 0;
    }
    if (ready > r.max_dti) {
        e.counters.bump(Counter::bad_ring);
        eta_store_once(&r.ro->closed_bad, r.ro->closed_bad + 1);
        r.child_cons += ready;
        eta_ring_release(&r.ro->child_cons, r.child_cons);
        return 0;
    }
    const uint32_t n = ready < kRegionBudget ? ready : kRegionBudget;
    const uint32_t n_dti = r.n_dti();
    for (uint32_t i = 0; i < n; i++) {
        const eta_child* slot = &r.child[(r.child_cons + i) & (r.max_dti - 1)];
        const uint32_t master = eta_load_once(&slot->master);
        const uint32_t local = eta_load_once(&slot->child);
        const uint32_t listener = e.listeners.of_master(e, r.id, master);
        eta_ctx* c = local < n_dti ? &e.ctx(r.ctx_of[local]) : nullptr;
        if (listener == 0 || c == nullptr || e.index_of(*c) == 0 ||
            c->state != ETA_TCP_FREE || (c->flags & ETA_CTX_F_POSTED) != 0) {
            e.counters.bump(Counter::bad_child);
            continue;
        }
        if (c->region == r.id && c->local == local) {
            release_all(e, *c);
        }
        c->region = r.id;
        c->local = local;
        eta_store_once(&r.fw[local].state, ETA_DTI_FREE);
        e.listeners.post(e, listener, *c);
        e.counters.bump(Counter::children_posted);
    }
    r.child_cons += n;
    eta_ring_release(&r.ro->child_cons, r.child_cons);
    return n;
}

uint32_t fetch_region(Engine& e, RegionView& r)
{
    uint32_t done = fetch_children(e, r);
    uint32_t ready = r.doorbell_seen - r.doorbell_cons;
    if (ready > r.max_dti) {
        e.counters.bump(Counter::bad_ring);
        eta_store_once(&r.ro->closed_bad, r.ro->closed_bad + 1);
        r.doorbell_cons = r.doorbell_seen;
        ready = 0;
    }
    const uint32_t budget = ready < kRegionBudget ? ready : kRegionBudget;
    for (uint32_t left = budget; left != 0;) {
        left -= fetch_burst(e, r, left < kBurst ? left : kBurst);
    }
    if (ready != 0) {
        eta_ring_release(&r.ro->doorbell_cons, r.doorbell_cons);
    }
    done += budget;
    r.idle_turns = done != 0 ? 0 : r.idle_turns + 1;
    return done;
}

bool finish_dti(Engine& e, RegionView& r, uint32_t local)
{
    eta_ctx& c = e.ctx(r.ctx_of[local]);
    if (r.ctx_of[local] == 0 || c.region != r.id || c.state == ETA_TCP_FREE ||
        c.state == ETA_TCP_LISTEN || (c.flags & ETA_CTX_F_ORPHAN) != 0) {
        return false;
    }
    const Snapshot s = read_status(r.app[local]);
    if (s.gen == c.gen) {
        fetch_connection(e, r, c, s);  // what it had published before it ended still goes out
    }
    if (c.state != ETA_TCP_FREE && (c.flags & ETA_CTX_F_ORPHAN) == 0) {
        tcp_app_close(e, c);
    }
    return true;
}

}  // namespace

void look(Engine& e)
{
    for (uint32_t i = 0; i < e.regions.live_count(); i++) {
        RegionView& r = e.regions[e.regions.live(i)];
        if (r.idle_turns < kIdleTurns || ((e.turn + i) & 15) == 0) {
            r.doorbell_seen = eta_load_acquire(&r.rw->doorbell_prod);
        }
    }
}

uint32_t fetch(Engine& e)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < e.regions.live_count(); i++) {
        RegionView& r = e.regions[e.regions.live(i)];
        if (!r.dying && (r.idle_turns < kIdleTurns || ((e.turn + i) & 15) == 0)) {
            done += fetch_region(e, r);
        }
    }
    return done;
}

void refetch_all(Engine& e, RegionView& r)
{
    const uint32_t n_dti = r.n_dti();
    for (uint32_t local = 0; local < n_dti; local++) {
        if (r.ctx_of[local] != 0) {
            fetch_dti(e, r, local);
        }
    }
}

uint32_t finish_dying(Engine& e)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < e.regions.live_count(); i++) {
        RegionView& r = e.regions[e.regions.live(i)];
        if (!r.dying) {
            continue;
        }
        const uint32_t n_dti = r.n_dti();
        for (uint32_t n = 0; n < kDyingBudget && r.dying_cursor < n_dti; n++) {
            done += finish_dti(e, r, r.dying_cursor++);
        }
    }
    return done;
}

}  // namespace eta::fw::dti
