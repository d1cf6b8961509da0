// SPDX-License-Identifier: MIT
// An accelerator made of a page of code: it owns the memory of one region and does to it what
// eta_fw would, step by step, when the test says so. Checks what the application side writes.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <eta/region.h>
#include <eta/ring_ops.h>

namespace eta::test {

class FakeAccel {
public:
    static constexpr uint32_t kMaxDti = 256;

    explicit FakeAccel(uint64_t tx_pool = 4u << 20, uint32_t rx_small = 64, uint32_t rx_large = 32)
    {
        eta_region_map m = {};
        m.magic = ETA_ABI_MAGIC;
        m.version = ETA_ABI_VERSION;
        m.region = 1;
        m.max_dti = kMaxDti;
        uint64_t at = ETA_PAGE;
        m.ro_fw_off = step(&at, sizeof(eta_dti_fw) * kMaxDti);
        m.ro_rq_off = step(&at, sizeof(eta_rqe) * ETA_RQ_DEPTH * kMaxDti);
        m.ro_event_off = step(&at, sizeof(uint32_t) * kMaxDti);
        m.ro_accept_off = step(&at, sizeof(eta_child) * kMaxDti);
        m.ro_ctx_off = step(&at, sizeof(uint32_t) * kMaxDti);
        m.rx_small = rx_small;
        m.rx_large = rx_large;
        m.ro_pool_off = step(
            &at, uint64_t{rx_small} * ETA_BUF_SMALL + uint64_t{rx_large} * ETA_BUF_LARGE);
        m.ro_size = at;
        at = ETA_PAGE;
        m.rw_app_off = step(&at, sizeof(eta_dti_app) * kMaxDti);
        m.rw_sq_off = step(&at, sizeof(eta_sqe) * ETA_SQ_DEPTH * kMaxDti);
        m.rw_doorbell_off = step(&at, sizeof(uint32_t) * kMaxDti);
        m.rw_child_off = step(&at, sizeof(eta_child) * kMaxDti);
        m.rw_pool_off = step(&at, tx_pool);
        m.rw_size = at;
        m.tx_pool_size = tx_pool;
        ro_mem.resize(m.ro_size / 64 + 1);
        rw_mem.resize(m.rw_size / 64 + 1);
        ro = reinterpret_cast<eta_region_ro*>(ro_mem.data());
        rw = reinterpret_cast<eta_region_rw*>(rw_mem.data());
        ro->map = m;
        fw = at_ro<eta_dti_fw>(m.ro_fw_off);
        rq = at_ro<eta_rqe>(m.ro_rq_off);
        app = at_rw<eta_dti_app>(m.rw_app_off);
        sq = at_rw<eta_sqe>(m.rw_sq_off);
        per.resize(kMaxDti);
        for (uint32_t i = 0; i < rx_small; i++) {
            free_small.push_back(uint64_t{i} * ETA_BUF_SMALL);
        }
        for (uint32_t i = 0; i < rx_large; i++) {
            free_large.push_back(uint64_t{rx_small} * ETA_BUF_SMALL + uint64_t{i} * ETA_BUF_LARGE);
        }
    }

    // -- doorbells and events --

    std::vector<uint32_t> doorbells()
    {
        std::vector<uint32_t> out;
        const uint32_t* ring = at_rw<uint32_t>(ro->map.rw_doorbell_off);
        while (ro->doorbell_cons != rw->doorbell_prod) {
            const uint32_t d = ring[ro->doorbell_cons++ & (kMaxDti - 1)];
            fw[d].db_ack = app[d].db_seq;
            out.push_back(d);
        }
        return out;
    }

    void event(uint32_t d)
    {
        if (app[d].ev_ack != fw[d].ev_seq) {
            return;
        }
        fw[d].ev_seq++;
        at_ro<uint32_t>(ro->map.ro_event_off)[ro->event_prod++ & (kMaxDti - 1)] = d;
        if (rw->armed_seq != ro->fired_seq) {
            ro->fired_seq = rw->armed_seq;
            interrupts++;
        }
    }

    // -- life --

    bool wants_connection(uint32_t d) const { return app[d].gen == fw[d].gen + 1; }

    // Takes on what the application asks for by CONNECT, or a posted child.
    void begin(uint32_t d, uint32_t state)
    {
        eta_dti_fw clean = {};
        clean.ev_seq = fw[d].ev_seq;
        clean.db_ack = fw[d].db_ack;
        clean.gen = fw[d].gen + 1;
        clean.state = state;
        fw[d] = clean;
        per[d] = Per();
        if (app[d].sq_tail != 0 && entry(d, 0).op == ETA_OP_CONNECT) {
            per[d].sq = 1;
            fw[d].sq_head = 1;
        }
    }

    void establish(uint32_t d)
    {
        fw[d].state = ETA_DTI_ESTABLISHED;
        event(d);
    }

    void close(uint32_t d, uint32_t err)
    {
        fw[d].err = err;
        fw[d].flags |= err != 0 ? ETA_DTI_F_RESET : 0u;
        fw[d].state = ETA_DTI_CLOSED;
        event(d);
    }

    std::vector<eta_child> children()
    {
        std::vector<eta_child> out;
        const eta_child* ring = at_rw<eta_child>(ro->map.rw_child_off);
        while (ro->child_cons != rw->child_prod) {
            out.push_back(ring[ro->child_cons++ & (kMaxDti - 1)]);
        }
        return out;
    }

    void offer(eta_child c)
    {
        begin(c.child, ETA_DTI_ESTABLISHED);
        fw[c.child].master = c.master + 1;
        at_ro<eta_child>(ro->map.ro_accept_off)[ro->accept_prod++ & (kMaxDti - 1)] = c;
        event(c.master);
    }

    // -- bytes --

    eta_sqe& entry(uint32_t d, uint32_t i) const
    {
        return sq[d * ETA_SQ_DEPTH + (i & (ETA_SQ_DEPTH - 1))];
    }

    // Everything published and not yet acknowledged. Walks the queue as the accelerator does.
    std::string unacked(uint32_t d) const
    {
        std::string out;
        uint64_t left = app[d].tx_tail - fw[d].tx_acked;
        uint64_t skip = per[d].off;
        for (uint32_t i = per[d].sq; i != app[d].sq_tail && left != 0; i++) {
            const eta_sqe& q = entry(d, i);
            if (q.op != ETA_OP_SEND) {
                continue;
            }
            const bool open = i + 1 == app[d].sq_tail;
            const uint64_t len = open ? skip + left : q.len;
            const uint64_t take = len - skip < left ? len - skip : left;
            const char* p = reinterpret_cast<const char*>(tx_pool()) + q.off + skip;
            out.append(p, take);
            left -= take;
            skip = 0;
        }
        return left == 0 ? out : std::string("entries do not hold what tx_tail promises");
    }

    void ack(uint32_t d, uint64_t n)
    {
        Per& p = per[d];
        fw[d].tx_acked += n;
        p.off += n;
        while (p.sq != app[d].sq_tail) {
            const eta_sqe& q = entry(d, p.sq);
            const bool open = p.sq + 1 == app[d].sq_tail;
            const uint64_t len = q.op == ETA_OP_SEND ? q.len : 0;
            if ((open && q.op == ETA_OP_SEND) || p.off < len) {
                break;
            }
            p.off -= len;
            p.sq++;
        }
        fw[d].sq_head = p.sq;
        if (app[d].ctl & ETA_CTL_WANT_TX) {
            event(d);
        }
    }

    // The last request in the queue other than SEND: SHUTDOWN_WR, CLOSE, ABORT; 0: none.
    uint32_t request(uint32_t d) const
    {
        const uint32_t op = app[d].sq_tail != 0 ? entry(d, app[d].sq_tail - 1).op : 0;
        return op == ETA_OP_SEND || op == ETA_OP_CONNECT ? 0 : op;
    }

    bool deliver(uint32_t d, const std::string& bytes)
    {
        size_t done = 0;
        while (done < bytes.size()) {
            Per& p = per[d];
            if (p.room == 0 && !add_buffer(d, bytes.size() - done)) {
                break;
            }
            const size_t n = bytes.size() - done < p.room ? bytes.size() - done : p.room;
            const eta_rqe& q = rqe(d, fw[d].rq_tail - 1);
            uint8_t* to = rx_pool() + uint64_t{q.off} * 64 + (q.cap - p.room);
            std::memcpy(to, bytes.data() + done, n);
            p.room -= static_cast<uint32_t>(n);
            done += n;
            fw[d].rx_tail += n;
        }
        event(d);
        return done == bytes.size();
    }

    void fin(uint32_t d)
    {
        fw[d].flags |= ETA_DTI_F_RX_FIN;
        event(d);
    }

    // After a doorbell: buffers the application has read go back.
    void release_read(uint32_t d)
    {
        const bool all = app[d].rx_head == fw[d].rx_tail;
        while (fw[d].rq_head != fw[d].rq_tail) {
            const eta_rqe& q = rqe(d, fw[d].rq_head);
            if (!all && app[d].rx_head < q.start + q.cap) {
                break;
            }
            (q.cap == ETA_BUF_SMALL ? free_small : free_large).push_back(uint64_t{q.off} * 64);
            fw[d].rq_head++;
        }
        if (all) {
            per[d].room = 0;
        }
    }

    size_t rx_held() const
    {
        return ro->map.rx_small + ro->map.rx_large - free_small.size() - free_large.size();
    }

    struct Line {
        alignas(64) uint8_t bytes[64];
    };
    std::vector<Line> ro_mem, rw_mem;
    eta_region_ro* ro;
    eta_region_rw* rw;
    eta_dti_fw* fw;
    eta_rqe* rq;
    eta_dti_app* app;
    eta_sqe* sq;
    int interrupts = 0;

private:
    struct Per {
        uint32_t sq = 0;    // first entry not fully acknowledged
        uint64_t off = 0;   // acknowledged bytes of it
        uint32_t room = 0;  // left in the newest receive buffer
    };

    static uint64_t step(uint64_t* at, uint64_t bytes)
    {
        const uint64_t here = *at;
        *at += (bytes + ETA_PAGE - 1) / ETA_PAGE * ETA_PAGE;
        return here;
    }
    template <typename T>
    T* at_ro(uint64_t off) const
    {
        return reinterpret_cast<T*>(reinterpret_cast<uint8_t*>(ro) + off);
    }
    template <typename T>
    T* at_rw(uint64_t off) const
    {
        return reinterpret_cast<T*>(reinterpret_cast<uint8_t*>(rw) + off);
    }
    uint8_t* tx_pool() const { return at_rw<uint8_t>(ro->map.rw_pool_off); }
    uint8_t* rx_pool() const { return at_ro<uint8_t>(ro->map.ro_pool_off); }
    eta_rqe& rqe(uint32_t d, uint32_t i) const
    {
        return rq[d * ETA_RQ_DEPTH + (i & (ETA_RQ_DEPTH - 1))];
    }

    bool add_buffer(uint32_t d, size_t need)
    {
        if (fw[d].rq_tail - fw[d].rq_head == ETA_RQ_DEPTH) {
            return false;
        }
        const bool small = need <= ETA_BUF_SMALL ? !free_small.empty() : free_large.empty();
        std::vector<uint64_t>& from = small ? free_small : free_large;
        if (from.empty()) {
            return false;
        }
        eta_rqe& q = rqe(d, fw[d].rq_tail);
        q.start = fw[d].rx_tail;
        q.off = static_cast<uint32_t>(from.back() / 64);
        q.cap = small ? ETA_BUF_SMALL : ETA_BUF_LARGE;
        from.pop_back();
        per[d].room = q.cap;
        fw[d].rq_tail++;
        return true;
    }

    std::vector<Per> per;
    std::vector<uint64_t> free_small, free_large;
};

}  // namespace eta::test
