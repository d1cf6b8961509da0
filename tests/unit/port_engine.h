// SPDX-License-Identifier: MIT
// An engine over a small pool of its own, a port that records, and an agent that hands out nothing:
// for tests of the default path and of the kernel-space queues.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include <eta/pool.h>
#include <eta/region.h>
#include <eta/ring_ops.h>

#include "control.h"
#include "engine.h"
#include "raw_path.h"

namespace eta::test {

using Bytes = std::vector<uint8_t>;

class RecordingPort final : public fw::Port {
public:
    RecordingPort()
    {
        caps_.mac[0] = 2;
        caps_.mtu = 1500;
    }

    uint32_t rx_burst(fw::RxFrame*, uint32_t) override { return 0; }
    void rx_release() override {}
    uint8_t* tx_reserve(uint32_t) override { return room-- > 0 ? head_ : nullptr; }
    void tx_commit(const fw::TxFrame& f) override
    {
        Bytes b(f.head, f.head + f.head_len);
        for (uint32_t i = 0; i < f.payload.count; i++)
            b.insert(b.end(), f.payload.piece[i].data,
                     f.payload.piece[i].data + f.payload.piece[i].len);
        sent.push_back(b);
    }
    void flush() override { flushed = sent.size(); }
    int wait_fd() const override { return -1; }

    std::vector<Bytes> sent;
    size_t flushed = 0;
    int room = 1 << 30;

private:
    uint8_t head_[kMaxHead];
};

// Layout of a pool with room for a handful of everything.
class SmallPool {
public:
    static constexpr uint32_t kCount = 64;

    SmallPool() : mem_(kBytes / 8)
    {
        eta_pool_hdr& h = *hdr();
        h.magic = ETA_ABI_MAGIC;
        h.version = ETA_ABI_VERSION;
        h.size = kBytes;
        h.n_procs = 1;
        h.n_ctx = h.n_buckets = h.n_tw = h.n_listeners = h.n_regions = kCount;
        h.n_routes = h.n_neighs = h.n_addrs = 8;
        h.eph_first = 10000;
        h.eph_last = 32767;
        uint64_t off = ETA_PAGE;
        auto take = [&off](uint64_t bytes) {
            uint64_t at = off;
            off += (bytes + ETA_PAGE - 1) / ETA_PAGE * ETA_PAGE;
            return at;
        };
        h.proc_off = take(sizeof(eta_proc));
        h.owner_off = take(kCount * sizeof(eta_owner));
        h.ctx_off = take(kCount * sizeof(eta_ctx));
        h.hash_off = take(kCount * sizeof(eta_bucket));
        h.tw_off = take(kCount * sizeof(eta_tw));
        h.listener_off = take(kCount * sizeof(eta_listener));
        h.region_off = take(kCount * sizeof(eta_region_desc));
        h.route_off = take(8 * sizeof(eta_route));
        h.neigh_off = take(8 * sizeof(eta_neigh));
        h.addr_off = take(8 * sizeof(eta_addr));
        h.counter_off = take(ETA_COUNTERS_MAX * sizeof(__u64));
        h.to_fw_off = take(ETA_KQ_DEPTH * sizeof(eta_kq));
        h.to_agent_off = take(ETA_KQ_DEPTH * sizeof(eta_kq));
        h.raw_rx_off = take(ETA_RAW_DEPTH * ETA_RAW_FRAME);
        h.raw_tx_off = take(ETA_RAW_DEPTH * ETA_RAW_FRAME);
    }

    uint8_t* base() { return reinterpret_cast<uint8_t*>(mem_.data()); }
    eta_pool_hdr* hdr() { return reinterpret_cast<eta_pool_hdr*>(base()); }
    template <typename T>
    T* at(uint64_t off)
    {
        return reinterpret_cast<T*>(base() + off);
    }
    eta_proc* proc() { return at<eta_proc>(hdr()->proc_off); }

private:
    static constexpr uint64_t kBytes = 8u << 20;
    std::vector<uint64_t> mem_;
};

// Regions in plain memory, as an agent would make them.
class FakeAgent final : public fw::AgentOps {
public:
    struct Region {
        std::vector<uint64_t> ro = std::vector<uint64_t>(1 << 16);
        std::vector<uint64_t> rw = std::vector<uint64_t>(1 << 16);
    };

    void make_region(uint32_t id)
    {
        Region& r = regions[id];
        auto& m = reinterpret_cast<eta_region_ro*>(r.ro.data())->map;
        m.magic = ETA_ABI_MAGIC;
        m.version = ETA_ABI_VERSION;
        m.region = id;
        m.max_dti = 8;
        m.ro_size = r.ro.size() * 8;
        m.rw_size = r.rw.size() * 8;
        m.ro_fw_off = 0x1000;
        m.ro_rq_off = 0x2000;
        m.ro_event_off = 0x4000;
        m.ro_accept_off = 0x5000;
        m.ro_ctx_off = 0x6000;
        m.ro_pool_off = 0x7000;
        m.rw_app_off = 0x1000;
        m.rw_sq_off = 0x2000;
        m.rw_doorbell_off = 0x4000;
        m.rw_child_off = 0x5000;
        m.rw_pool_off = 0x6000;
        m.rx_small = 8;
        m.tx_pool_size = 0x10000;
    }

    bool map_region(uint32_t region, void** ro, void** rw) override
    {
        auto it = regions.find(region);
        if (it == regions.end()) return false;
        *ro = it->second.ro.data();
        *rw = it->second.rw.data();
        mapped++;
        return true;
    }
    void unmap_region(uint32_t) override { mapped--; }
    void interrupt(uint32_t region) override { woken.push_back(region); }
    void flush_interrupts() override {}
    void interrupt_agent() override { agent_woken++; }

    std::map<uint32_t, Region> regions;
    std::vector<uint32_t> woken;
    int mapped = 0;
    int agent_woken = 0;
};

struct EngineBox {
    EngineBox() : engine(std::make_unique<fw::Engine>(pool.base(), 0u, &port, 1u)) {}

    SmallPool pool;
    RecordingPort port;
    FakeAgent agent;
    std::unique_ptr<fw::Engine> engine;

    uint64_t count(fw::Counter c) const { return engine->counters.get(c); }

    // The OS's side of the raw packet rings.
    Bytes take_raw_rx()
    {
        eta_proc* p = pool.proc();
        if (eta_ring_ready(&p->raw_rx_prod, p->raw_rx_cons) == 0) return {};
        uint8_t* slot = pool.at<uint8_t>(pool.hdr()->raw_rx_off) +
                        (p->raw_rx_cons & (ETA_RAW_DEPTH - 1)) * ETA_RAW_FRAME;
        eta_raw raw;
        std::memcpy(&raw, slot, sizeof raw);
        p->raw_rx_cons++;
        return Bytes(slot + sizeof raw, slot + sizeof raw + raw.len);
    }
    void put_raw_tx(const Bytes& frame, uint32_t len)
    {
        eta_proc* p = pool.proc();
        uint8_t* slot = pool.at<uint8_t>(pool.hdr()->raw_tx_off) +
                        (p->raw_tx_prod & (ETA_RAW_DEPTH - 1)) * ETA_RAW_FRAME;
        eta_raw raw = {len, 0};
        std::memcpy(slot, &raw, sizeof raw);
        std::memcpy(slot + sizeof raw, frame.data(), frame.size());
        p->raw_tx_prod++;
    }
    void note(uint32_t op, uint32_t a)
    {
        eta_proc* p = pool.proc();
        eta_kq& q = pool.at<eta_kq>(pool.hdr()->to_fw_off)[p->to_fw_prod & (ETA_KQ_DEPTH - 1)];
        q = {};
        q.op = op;
        q.a = a;
        p->to_fw_prod++;
    }
    eta_kq answer()
    {
        eta_proc* p = pool.proc();
        if (p->to_agent_cons == p->to_agent_prod) return {};
        return pool.at<eta_kq>(pool.hdr()->to_agent_off)[p->to_agent_cons++ & (ETA_KQ_DEPTH - 1)];
    }
};

}  // namespace eta::test
