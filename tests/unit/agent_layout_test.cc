// SPDX-License-Identifier: MIT
// Layout of the agent pool and of regions.
#include <catch2/catch.hpp>

#include <algorithm>
#include <utility>
#include <vector>

#include "unit/agent_host.h"

using namespace eta::test;

namespace {

using Section = std::pair<__u64, __u64>;  // offset, size

// Sorted sections must be page-aligned, must not overlap and must end inside `size`.
void require_disjoint(std::vector<Section> s, __u64 size)
{
    std::sort(s.begin(), s.end());
    __u64 end = ETA_PAGE;
    for (const Section& x : s) {
        REQUIRE(x.first % ETA_PAGE == 0);
        REQUIRE(x.first >= end);
        end = x.first + x.second;
    }
    REQUIRE(end <= size);
    REQUIRE(size % ETA_PAGE == 0);
}

std::vector<Section> pool_sections(const eta_pool_hdr& h)
{
    const __u64 procs = h.n_procs;
    return {
        {h.proc_off, procs * sizeof(eta_proc)},
        {h.owner_off, __u64{h.n_ctx} * sizeof(eta_owner)},
        {h.ctx_off, __u64{h.n_ctx} * sizeof(eta_ctx)},
        {h.hash_off, __u64{h.n_buckets} * sizeof(eta_bucket)},
        {h.tw_off, __u64{h.n_tw} * sizeof(eta_tw)},
        {h.listener_off, __u64{h.n_listeners} * sizeof(eta_listener)},
        {h.region_off, __u64{h.n_regions} * sizeof(eta_region_desc)},
        {h.route_off, __u64{h.n_routes} * sizeof(eta_route)},
        {h.neigh_off, __u64{h.n_neighs} * sizeof(eta_neigh)},
        {h.addr_off, __u64{h.n_addrs} * sizeof(eta_addr)},
        {h.counter_off, procs * ETA_COUNTERS_MAX * 8},
        {h.to_fw_off, procs * ETA_KQ_DEPTH * sizeof(eta_kq)},
        {h.to_agent_off, procs * ETA_KQ_DEPTH * sizeof(eta_kq)},
        {h.raw_rx_off, procs * ETA_RAW_DEPTH * ETA_RAW_FRAME},
        {h.raw_tx_off, procs * ETA_RAW_DEPTH * ETA_RAW_FRAME},
    };
}

}  // namespace

TEST_CASE("agent core: pool sections do not overlap, for one and many processors")
{
    eta_limits l;
    eta_limits_default(&l);
    for (unsigned procs : {1u, 2u, 7u, 32u}) {
        l.n_procs = procs;
        eta_pool_hdr h;
        REQUIRE(eta_pool_layout(&l, &h) == 0);
        require_disjoint(pool_sections(h), h.size);
    }
}

TEST_CASE("agent core: sections of the accelerator alone lie behind those of the agent")
{
    eta_limits l;
    eta_limits_default(&l);
    eta_pool_hdr h;
    REQUIRE(eta_pool_layout(&l, &h) == 0);
    const __u64 head = eta_pool_agent_size(&h);
    for (__u64 off : {h.ctx_off, h.hash_off, h.tw_off}) REQUIRE(off >= head);
    for (__u64 off : {h.owner_off, h.listener_off, h.region_off, h.raw_tx_off, h.to_agent_off})
        REQUIRE(off < head);
}

TEST_CASE("agent core: region sections do not overlap")
{
    eta_limits l;
    eta_limits_default(&l);
    for (unsigned n : {2u, 64u, 131072u}) {
        l.max_dti = n;
        eta_region_map m;
        REQUIRE(eta_region_layout(&l, &m) == 0);
        const __u64 pool = __u64{m.rx_small} * ETA_BUF_SMALL + __u64{m.rx_large} * ETA_BUF_LARGE;
        require_disjoint({{m.ro_fw_off, n * sizeof(eta_dti_fw)},
                          {m.ro_rq_off, n * ETA_RQ_DEPTH * sizeof(eta_rqe)},
                          {m.ro_event_off, n * 4ul},
                          {m.ro_accept_off, n * sizeof(eta_child)},
                          {m.ro_ctx_off, n * 4ul},
                          {m.ro_pool_off, pool}},
                         m.ro_size);
        require_disjoint({{m.rw_app_off, n * sizeof(eta_dti_app)},
                          {m.rw_sq_off, n * ETA_SQ_DEPTH * sizeof(eta_sqe)},
                          {m.rw_doorbell_off, n * 4ul},
                          {m.rw_child_off, n * sizeof(eta_child)},
                          {m.rw_pool_off, m.tx_pool_size}},
                         m.rw_size);
    }
}

TEST_CASE("agent core: limits that make no sense are refused")
{
    using Change = void (*)(eta_limits&);
    const Change changes[] = {
        [](eta_limits& l) { l.n_procs = 0; },
        [](eta_limits& l) { l.n_procs = ETA_CORE_PROCS_MAX + 1; },
        [](eta_limits& l) { l.n_ctx = 1; },
        [](eta_limits& l) { l.n_ctx = 0xffffffff; },
        [](eta_limits& l) { l.n_buckets = 3; },
        [](eta_limits& l) { l.n_buckets = 0; },
        [](eta_limits& l) { l.n_listeners = 1; },
        [](eta_limits& l) { l.n_regions = 0; },
        [](eta_limits& l) { l.n_regions = 0x80000000; },
        [](eta_limits& l) { l.eph_first = 80; },
        [](eta_limits& l) { l.eph_last = l.eph_first - 1; },
        [](eta_limits& l) { l.eph_last = 65536; },
        [](eta_limits& l) { l.max_dti = 100; },
        [](eta_limits& l) { l.max_dti = 1u << 21; },
        [](eta_limits& l) { l.rx_small = 0; },
        [](eta_limits& l) { l.tx_pool_size = 1; },
        [](eta_limits& l) { l.tx_pool_size = (1u << 20) + 1; },
        [](eta_limits& l) { l.tx_pool_size = 1ull << 41; },
    };
    for (const Change& change : changes) {
        eta_limits l = small_limits();
        change(l);
        eta_pool_hdr h;
        eta_region_map m;
        REQUIRE((eta_pool_layout(&l, &h) == -EINVAL || eta_region_layout(&l, &m) == -EINVAL));
    }
}

TEST_CASE("agent core: a new pool says what it is")
{
    AgentHost host;
    REQUIRE(host.init_result == 0);
    const auto* h = static_cast<const eta_pool_hdr*>(host.pool.get());
    REQUIRE(h->magic == ETA_ABI_MAGIC);
    REQUIRE(h->version == ETA_ABI_VERSION);
    REQUIRE(h->epoch == 77);
    REQUIRE(h->n_ctx == 600);
    REQUIRE(host.broken().empty());
}
