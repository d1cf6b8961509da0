// SPDX-License-Identifier: MIT
// Simulator: see plan.h.
#include "sim/plan.h"

#include <algorithm>

namespace eta::sim {

namespace {

using fw::Rng;

// Small numbers as likely as large ones.
uint64_t log_uniform(Rng& rng, uint64_t low, uint64_t high) {
    uint32_t bits_low = 63 - static_cast<uint32_t>(__builtin_clzll(low));
    uint32_t bits_high = 63 - static_cast<uint32_t>(__builtin_clzll(high));
    uint32_t bits = bits_low + rng.below(bits_high - bits_low + 1);
    uint64_t v = (uint64_t{1} << bits) + rng.below(static_cast<uint32_t>(uint64_t{1} << bits));
    return std::clamp(v, low, high);
}

uint32_t up_to(Rng& rng, uint32_t max) {
    return max ? rng.below(max + 1) : 0;
}

void plan_link(Plan& p, Rng& rng) {
    test::LinkOptions& l = p.link;
    l.delay_us = 20 + up_to(rng, rng.below(4) ? 2000 : 40000);
    l.jitter_us = rng.below(2) ? up_to(rng, 3000) : 0;
    if (p.scenario == "clean")
        return;
    l.loss_ppm = rng.below(3) ? up_to(rng, 100'000) : 0;
    l.burst_ppm = rng.below(3) ? 0 : up_to(rng, 5'000);
    l.dup_ppm = rng.below(2) ? up_to(rng, 50'000) : 0;
    l.reorder_ppm = rng.below(2) ? up_to(rng, 100'000) : 0;
    l.reorder_us = 200 + up_to(rng, 20000);
    l.corrupt_ppm = rng.below(2) ? up_to(rng, 20'000) : 0;
    if (rng.below(3) == 0) {
        l.rate_bps = log_uniform(rng, 200'000, 100'000'000);
        l.queue_max = 10 + up_to(rng, 200);
    }
}

void plan_machine(Plan& p, Rng& rng) {
    p.hosts = 2 + rng.below(2);
    p.clients_per_host = 1 + rng.below(2);
    p.csum_offload = rng.below(2);
    p.tso_max = p.csum_offload && rng.below(2) ? 4096 + up_to(rng, 61440) : 0;
    p.rx_csum_valid = rng.below(4) == 0;
    p.mtu = rng.below(3) ? 1500 : 576 + up_to(rng, 8424);
    p.tx_room = rng.below(4) ? 1024 : 4 + up_to(rng, 60);
    p.sleepy_us = rng.below(3) ? up_to(rng, 300) : up_to(rng, 20'000);
    p.children = 2 + up_to(rng, 30);
    p.rx_small = 64u << rng.below(4);
    p.rx_large = 4u << rng.below(4);
}

End pick_end(const Plan& p, Rng& rng) {
    if (p.scenario == "transfer" || p.scenario == "restart" || p.scenario == "blackout")
        return static_cast<End>(rng.below(3));
    if (p.scenario == "reset")
        return static_cast<End>(3 + rng.below(3));
    uint32_t r = rng.below(10);
    return r < 7 ? static_cast<End>(r % 3) : static_cast<End>(3 + (r - 7));
}

Spec plan_connection(const Plan& p, Rng& rng, uint32_t id, uint64_t max_bytes) {
    Spec s;
    s.id = id;
    s.client_host = rng.below(p.hosts);
    s.client_program = rng.below(p.clients_per_host);
    s.server_host = rng.below(p.hosts);
    bool local = p.scenario == "local" || (p.scenario != "transfer" && rng.below(6) == 0);
    if (local)
        s.server_host = s.client_host;
    else if (s.server_host == s.client_host)
        s.server_host = (s.client_host + 1) % p.hosts;
    s.loopback = local && rng.below(2);
    s.start_us = 1'000'000 + log_uniform(rng, 1, p.scenario == "churn" ? 20'000'000 : 4'000'000);
    s.req_len = 8 + log_uniform(rng, 1, max_bytes);
    s.resp_len = rng.below(8) ? log_uniform(rng, 1, max_bytes) : 0;
    s.duplex = rng.below(2);
    s.nodelay = rng.below(2);
    s.chunk = static_cast<uint32_t>(log_uniform(rng, 16, 65536));
    s.end = pick_end(p, rng);
    s.abort_at =
        rng.below(static_cast<uint32_t>(s.end == End::kServerAbort ? s.resp_len + 1 : s.req_len));
    bool stalls = p.scenario == "stall" || rng.below(8) == 0;
    if (stalls) {
        s.client_stall_at =
            rng.below(2) ? rng.below(static_cast<uint32_t>(s.resp_len + 1)) : UINT64_MAX;
        s.server_stall_at = rng.below(2) ? rng.below(static_cast<uint32_t>(s.req_len)) : UINT64_MAX;
        s.stall_us = static_cast<uint32_t>(log_uniform(rng, 1000, 20'000'000));
    }
    return s;
}

void plan_trouble(Plan& p, Rng& rng) {
    auto some_time = [&] { return 1'200'000 + log_uniform(rng, 1, 16'000'000); };
    bool mix = p.scenario == "mix";
    if (p.scenario == "blackout" || (mix && rng.below(6) == 0)) {
        p.blackout_us = some_time();
        p.blackout_len_us = 100'000 + up_to(rng, 8'000'000);
    }
    if (p.scenario == "restart" || (mix && rng.below(4) == 0))
        for (uint32_t i = 0; i < 1 + rng.below(4); i++)
            p.restart_us.push_back(some_time());
    p.restart_down_us = 1000 + up_to(rng, 1'000'000);
    if (p.scenario == "vanish" || (mix && rng.below(4) == 0))
        for (uint32_t i = 0; i < 1 + rng.below(3); i++)
            p.kill_us.push_back(some_time());
}

}  // namespace

const std::vector<std::string>& scenario_names() {
    static const std::vector<std::string> names = {"clean",   "transfer", "churn",    "stall",
                                                   "reset",   "vanish",   "blackout", "local",
                                                   "restart", "mix"};
    return names;
}

Plan make_plan(const std::string& scenario, uint64_t seed) {
    Rng rng(seed * 0x9e3779b97f4a7c15u + 1);
    Plan p;
    p.seed = seed;
    uint32_t pick = rng.below(static_cast<uint32_t>(scenario_names().size()));
    p.scenario = scenario.empty() ? scenario_names()[pick] : scenario;
    plan_machine(p, rng);
    plan_link(p, rng);
    uint32_t n = p.scenario == "churn" ? 60 + rng.below(100) : 4 + rng.below(30);
    uint64_t max_bytes = p.scenario == "churn" ? 16384 : rng.below(4) ? 100'000 : 2'000'000;
    uint64_t budget = 8'000'000;  // bytes of one run, so that a thousand seeds take minutes
    for (uint32_t i = 0; i < n; i++) {
        Spec s = plan_connection(p, rng, i, max_bytes);
        uint64_t bytes = s.req_len + s.resp_len;
        if (bytes > budget)
            break;
        budget -= bytes;
        p.specs.push_back(s);
    }
    if (p.specs.empty())
        p.specs.push_back(plan_connection(p, rng, 0, 100'000));
    plan_trouble(p, rng);
    p.heal_us = 30'000'000 + rng.below(30'000'000);
    return p;
}

}  // namespace eta::sim
