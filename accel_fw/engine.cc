// SPDX-License-Identifier: MIT
// Construction of the engine over a pool, and its reconstruction after a crash (law 2).
// Control path: may scan tables and allocate.
#include "engine.h"

#include <cstddef>
#include <cstring>

#include <eta/ring_ops.h>

#include "dti/internal.h"
#include "tcp/tcp.h"

namespace eta::fw {

static_assert(offsetof(eta_ctx, raddr) == offsetof(eta_ctx, laddr) + ETA_ADDR_LEN);
static_assert(offsetof(eta_ctx, lport) == offsetof(eta_ctx, raddr) + ETA_ADDR_LEN);
static_assert(offsetof(eta_tw, lport) == 2 * ETA_ADDR_LEN && offsetof(eta_tw, rport) == 34);
static_assert(sizeof(FourTuple) == 36 && offsetof(FourTuple, rport) == 34);

Engine::Engine(void* pool_base, uint32_t processor, Port* p, uint64_t seed)
    : pool(pool_base, processor),
      counters(pool.counters),
      hash(pool, seed * 0x9e3779b97f4a7c15u),
      regions(pool.hdr->n_regions),
      timers(pool.hdr->n_ctx),
      touched(pool.hdr->n_ctx),
      listeners(pool.hdr->n_listeners, pool.hdr->n_ctx),
      notices(pool.hdr->n_ctx),
      mirror(pool),
      rng(seed),
      port(p),
      proc(processor),
      isn_key{rng.next(), rng.next()}
{
    pool.proc->n_conn = 0;
}

namespace {

// Which receive buffers of one region the contexts still hold.
struct UsedBuffers {
    explicit UsedBuffers(const eta_region_map& m)
        : n_small(m.rx_small),
          n_large(m.rx_large),
          small(static_cast<uint8_t*>(std::calloc(m.rx_small + 1, 1))),
          large(static_cast<uint8_t*>(std::calloc(m.rx_large + 1, 1)))
    {
    }
    ~UsedBuffers()
    {
        std::free(small);
        std::free(large);
    }
    UsedBuffers(const UsedBuffers&) = delete;
    UsedBuffers& operator=(const UsedBuffers&) = delete;

    uint32_t n_small;
    uint32_t n_large;
    uint8_t* small;
    uint8_t* large;
};

void mark_buffers(RegionView& r, const eta_ctx& c, UsedBuffers& used)
{
    for (uint32_t i = c.rq_head; i != c.rq_tail; i++) {
        const eta_rqe& q = r.rq_of(c.local)[i & (ETA_RQ_DEPTH - 1)];
        const uint64_t off = uint64_t{q.off} * ETA_CACHELINE;
        if (q.cap == ETA_BUF_SMALL && off / ETA_BUF_SMALL < used.n_small) {
            used.small[off / ETA_BUF_SMALL] = 1;
        } else if (off >= r.large_off && (off - r.large_off) / ETA_BUF_LARGE < used.n_large) {
            used.large[(off - r.large_off) / ETA_BUF_LARGE] = 1;
        }
    }
}

// A connection found in the table goes on: look-up, timers, a look at its queues, an event.
bool resume(Engine& e, RegionView& r, eta_ctx& c)
{
    const uint32_t index = e.index_of(c);
    FourTuple t;
    std::memcpy(&t, c.laddr, sizeof t);
    c.hash = e.hash.tuple_hash(t);
    if (!e.hash.insert(c.hash, index)) {
        c.hash = 0;
        return false;
    }
    r.n_conn++;
    e.pool.proc->n_conn++;
    tcp_resume(e, c);
    dti::publish_again(e, c);
    return true;
}

void count_ready(Engine& e, RegionView& r, uint32_t master)
{
    const uint32_t listener = e.listeners.of_master(e, r.id, master);
    if (listener != 0) {
        e.listeners[listener].ready++;
    }
}

uint32_t recover_region(Engine& e, RegionView& r)
{
    uint32_t found = 0;
    UsedBuffers used(r.ro->map);
    const uint32_t n_dti = r.n_dti();
    const uint32_t waiting = eta_ring_ready(&r.ro->accept_prod, eta_load_once(&r.rw->accept_cons));
    for (uint32_t i = 0; i < waiting && waiting <= r.max_dti; i++) {
        count_ready(e, r, r.accept[(r.accept_prod - waiting + i) & (r.max_dti - 1)].master);
    }
    for (uint32_t local = 0; local < n_dti; local++) {
        const uint32_t index = r.ctx_of[local];
        eta_ctx& c = e.ctx(index);
        if (index != 0 && c.state == ETA_TCP_FREE) {
            dti::settle_free(r, c, local);
        }
        if (index == 0 || c.region != r.id || c.local != local) {
            continue;
        }
        eta_store_once(&r.fw[local].db_ack, eta_load_once(&r.app[local].db_seq));
        mark_buffers(r, c, used);
        const bool posted = c.state == ETA_TCP_FREE && (c.flags & ETA_CTX_F_POSTED) != 0;
        if (posted && e.listeners.used(c.listener)) {
            e.listeners.post(e, c.listener, c);
        } else if (c.state != ETA_TCP_FREE && c.state != ETA_TCP_LISTEN) {
            found += resume(e, r, c);
        }
    }
    r.small.rebuild(used.small, used.n_small);
    r.large.rebuild(used.large, used.n_large);
    return found;
}

}  // namespace

uint32_t Engine::recover()
{
    uint32_t found = 0;
    hash.clear();
    tcp.time_wait.recover(*this);
    for (uint32_t i = 0; i < regions.live_count(); i++) {
        found += recover_region(*this, regions[regions.live(i)]);
    }
    eta_full_barrier();  // E: acknowledged above; a doorbell rung from now on queues an entry
    for (uint32_t i = 0; i < regions.live_count(); i++) {
        dti::refetch_all(*this, regions[regions.live(i)]);
        dti::announce_all(*this, regions[regions.live(i)]);
    }
    counters.add(Counter::recovered, found);
    return found;
}

}  // namespace eta::fw
