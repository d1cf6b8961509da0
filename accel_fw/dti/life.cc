// SPDX-License-Identifier: MIT
// Life of a connection on a DTI: begin, established, closed; master and child DTIs (E14).
// A DTI whose connection is over keeps its unread bytes until the application closes or reuses it.
#include <cerrno>
#include <cstring>

#include <eta/ring_ops.h>

#include "dti/dti.h"
#include "dti/internal.h"
#include "tcp/tcp.h"

namespace eta::fw::dti {

namespace {

// The words that pair with the application's db_seq and ev_ack live as long as the DTI. `gen` is
// stored last: an application that sees it sees nothing of the connection before.
void reset_status(eta_dti_fw& f)
{
    eta_dti_fw clean = {};
    clean.ev_seq = f.ev_seq;
    clean.db_ack = f.db_ack;
    clean.gen = f.gen;
    f = clean;
    eta_store_release(&f.gen, clean.gen + 1);
}

void publish_names(const eta_ctx& c, eta_dti_fw& f)
{
    std::memcpy(f.laddr, c.laddr, sizeof f.laddr);
    std::memcpy(f.raddr, c.raddr, sizeof f.raddr);
    f.lport = c.lport;
    f.rport = c.rport;
    f.master = c.master;
    f.mss = c.mss;
    f.srtt_us = c.srtt_us;
    f.cwnd = c.cwnd;
    if ((c.flags & ETA_CTX_F_LOCAL) != 0) {
        f.flags |= ETA_DTI_F_LOCAL;
    }
}

void queue_accept(Engine& e, eta_ctx& c)
{
    RegionView& r = e.region_of(c);
    Listener& l = e.listeners[c.listener];
    r.accept[r.accept_prod & (r.max_dti - 1)] = {c.master - 1, c.local};
    r.accept_prod++;
    eta_ring_publish(&r.ro->accept_prod, r.accept_prod);
    c.flags |= ETA_CTX_F_QUEUED;
    l.ready++;
    e.counters.bump(Counter::accepts_queued);
    e.notices.add(l.region, l.local, l.ctx);
}

// A child whose client never got through the handshake serves the next one.
bool repost(Engine& e, eta_ctx& c)
{
    const RegionView& r = e.region_of(c);
    if (c.listener == 0 || !e.listeners.used(c.listener) || r.dying ||
        e.listeners[c.listener].region != c.region ||
        r.fw[c.local].state != ETA_DTI_FREE) {
        return false;
    }
    const uint32_t listener = c.listener;
    c.state = ETA_TCP_FREE;
    release_all(e, c);
    // The program named the incarnation it waits for when it posted the child: keep to it.
    eta_dti_fw& f = r.fw[c.local];
    eta_store_once(&f.gen, f.gen - 1);
    e.listeners.post(e, listener, c);
    return true;
}

}  // namespace

void begin(Engine& e, eta_ctx& c, uint32_t region, uint32_t local)
{
    RegionView& r = e.regions[region];
    if (c.region == region && c.local == local) {
        release_all(e, c);
    }
    eta_dti_fw& f = r.fw[local];
    reset_status(f);
    // Words that stay the same must never be seen otherwise after a crash: no clearing first.
    eta_ctx clean = {};
    clean.flags = c.flags & ETA_CTX_F_POSTED;
    clean.region = region;
    clean.local = local;
    clean.listener = c.listener;
    clean.master = c.master;
    clean.gen = f.gen;
    clean.created_us = e.now_us;
    c = clean;
    r.n_conn++;
    e.pool.proc->n_conn++;
}

eta_ctx* take_child(Engine& e, uint32_t listener)
{
    eta_ctx* c = e.listeners.take(e, listener);
    if (c == nullptr) {
        return nullptr;
    }
    const eta_owner& owner = e.pool.owners[e.index_of(*c)];
    begin(e, *c, owner.region, owner.local);
    c->ctl = eta_load_once(&e.regions[owner.region].app[e.listeners[listener].local].ctl) &
             (ETA_CTL_NODELAY | ETA_CTL_KEEPALIVE);
    e.counters.bump(Counter::children_taken);
    return c;
}

uint32_t find_listener(Engine& e, const uint8_t* addr, uint16_t port_be, bool* have_port)
{
    return e.listeners.find(e, addr, port_be, have_port);
}

void established(Engine& e, eta_ctx& c)
{
    eta_dti_fw& f = e.region_of(c).fw[c.local];
    publish_names(c, f);
    eta_store_release(&f.state, ETA_DTI_ESTABLISHED);
    if ((c.flags & ETA_CTX_F_PASSIVE) == 0) {
        notify(e, c);
        return;
    }
    if (!e.listeners.used(c.listener)) {
        tcp_abort(e, c, ECONNABORTED, true);  // the listener went away during the handshake
        return;
    }
    queue_accept(e, c);
}

void closed(Engine& e, eta_ctx& c, int err)
{
    RegionView& r = e.region_of(c);
    const uint32_t index = e.index_of(c);
    if (c.hash != 0) {
        e.hash.remove(c.hash, index);
        c.hash = 0;
    }
    e.timers.remove(index);
    e.touched.remove(index);
    r.n_conn--;
    e.pool.proc->n_conn--;
    if (repost(e, c)) {
        return;
    }
    if ((c.flags & ETA_CTX_F_ORPHAN) != 0) {
        release_all(e, c);
    }
    eta_dti_fw& f = r.fw[c.local];
    const uint32_t reset = err != 0 ? ETA_DTI_F_RESET : 0u;
    eta_store_once(&f.rq_tail, c.rq_tail);
    eta_store_once(&f.err, static_cast<uint32_t>(err));
    eta_store_once(&f.flags, f.flags | reset);
    c.state = ETA_TCP_FREE;
    c.flags &= ~ETA_CTX_F_POSTED;
    c.ooo_count = 0;  // nothing will fill the hole: its buffers go back with the rest
    eta_store_release(&f.state, ETA_DTI_CLOSED);
    notify(e, c);
}

void publish_again(Engine& e, eta_ctx& c)
{
    eta_dti_fw& f = e.region_of(c).fw[c.local];
    c.flags &= ~ETA_CTX_F_POSTED;
    notify(e, c);
    if (c.state < ETA_TCP_ESTABLISHED || (c.flags & ETA_CTX_F_ORPHAN) != 0) {
        return;
    }
    eta_store_once(&f.sq_head, c.sq_una);
    eta_store_release(&f.tx_acked, c.tx_acked);
    const bool fin = (c.flags & ETA_CTX_F_RX_FIN) != 0 && (f.flags & ETA_DTI_F_RX_FIN) == 0;
    if (fin || f.rx_tail != c.rx_tail || f.rq_tail != c.rq_tail) {
        received(e, c);
    }
    const bool unheard = (c.flags & ETA_CTX_F_PASSIVE) != 0 && (c.flags & ETA_CTX_F_QUEUED) == 0;
    if (f.state != ETA_DTI_ESTABLISHED || unheard) {
        established(e, c);
    }
}

void settle_free(RegionView& r, const eta_ctx& c, uint32_t local)
{
    eta_dti_fw& f = r.fw[local];
    if ((c.flags & ETA_CTX_F_POSTED) != 0) {
        return;
    }
    if (f.state == ETA_DTI_CONNECTING || f.state == ETA_DTI_ESTABLISHED) {
        eta_store_release(&f.state, ETA_DTI_CLOSED);  // closed() got no further
        return;
    }
    // CONNECT was taken on but did not get as far as a SYN: once more, from the queue.
    const eta_dti_app& a = r.app[local];
    const bool begun = f.state == ETA_DTI_FREE && f.gen != 0 && eta_load_once(&a.gen) == f.gen;
    if (begun && eta_load_once(&a.sq_tail) != 0) {
        eta_store_release(&f.gen, f.gen - 1);
    }
}

void forget(Engine& e, RegionView& r)
{
    const uint32_t n_dti = r.n_dti();
    for (uint32_t local = 0; local < n_dti; local++) {
        eta_ctx& c = e.ctx(r.ctx_of[local]);
        if (r.ctx_of[local] != 0 && c.region == r.id) {
            c.region = ETA_NONE;
            c.state = ETA_TCP_FREE;
            c.flags = 0;
            c.rq_head = c.rq_tail = 0;
        }
    }
}

void close_bad(Engine& e, eta_ctx& c, Counter why)
{
    RegionView& r = e.region_of(c);
    e.counters.bump(why);
    eta_store_once(&r.ro->closed_bad, r.ro->closed_bad + 1);
    if (c.state != ETA_TCP_FREE && c.state != ETA_TCP_LISTEN) {
        tcp_abort(e, c, EPROTO, true);
    }
}

}  // namespace eta::fw::dti
