// SPDX-License-Identifier: MIT
// `eta-ctl status`: the agent, each processor, the programs attached. Exit code 3 without an
// accelerator.

#include <fmt/format.h>

#include "pool_view.h"

namespace eta::ctl {

namespace {

std::string mac(const uint8_t* m)
{
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", m[0], m[1], m[2], m[3], m[4],
                       m[5]);
}

std::string text_of(const char* field, size_t size)
{
    return std::string(field, strnlen(field, size));
}

Json processor_json(const Processor& p)
{
    return Json{
        {"processor", p.index},
        {"alive", p.alive},
        {"pid", p.proc.pid},
        {"cpu", p.proc.cpu},
        {"port", text_of(p.proc.port, sizeof p.proc.port)},
        {"mac", mac(p.proc.mac)},
        {"mtu", p.proc.mtu},
        {"connections", p.proc.n_conn},
        {"asleep", p.proc.asleep != 0},
        {"attachments", p.proc.attachments},
        {"turns", p.proc.turns},
        {"busy_ns", p.proc.busy_ns},
        {"heartbeat_age_s", p.heartbeat_age_s},
    };
}

const char* region_state(uint32_t state)
{
    return state == ETA_REGION_LIVE ? "live" : state == ETA_REGION_DYING ? "dying" : "free";
}

Json programs_json(const PoolView& pool)
{
    Json programs = Json::array();
    const auto regions = pool.regions();
    for (uint32_t i = 1; i < regions.size(); i++) {
        const eta_region_desc r = regions[i];
        if (r.state != ETA_REGION_FREE) {
            programs.push_back({{"region", i},
                                {"state", region_state(r.state)},
                                {"pid", r.pid},
                                {"uid", r.uid},
                                {"program", text_of(r.comm, sizeof r.comm)},
                                {"dtis", r.n_dti},
                                {"max_dtis", r.max_dti}});
        }
    }
    return programs;
}

void print_text(const Json& all)
{
    fmt::print("agent      {} (epoch {:016x}, pool {} MB)\n", all["agent"].get<std::string>(),
               all["epoch"].get<uint64_t>(), all["pool_bytes"].get<uint64_t>() >> 20);
    for (const Json& p : all["processors"]) {
        if (!p["alive"].get<bool>()) {
            fmt::print("processor {} no accelerator runs\n", p["processor"].get<int>());
            continue;
        }
        fmt::print("processor {} eta_fw pid {} on cpu {}, port {} ({}, MTU {}), {} connections, "
                   "{}\n", p["processor"].get<int>(), p["pid"].get<int>(), p["cpu"].get<int>(),
                   p["port"].get<std::string>(), p["mac"].get<std::string>(), p["mtu"].get<int>(),
                   p["connections"].get<int>(), p["asleep"].get<bool>() ? "asleep" : "awake");
    }
    for (const Json& r : all["programs"]) {
        fmt::print("program    {} pid {} ({}), {} DTIs\n", r["program"].get<std::string>(),
                   r["pid"].get<int>(), r["state"].get<std::string>(), r["dtis"].get<int>());
    }
}

}  // namespace

int status(bool json)
{
    const PoolView pool;
    Json all;
    all["agent"] = pool.is_module() ? "module eta_ka" : "eta-agentd at " + agent_place();
    all["epoch"] = pool.header().epoch;
    all["pool_bytes"] = pool.header().size;
    all["accelerated"] = pool.accelerated();
    all["processors"] = Json::array();
    for (uint32_t i = 0; i < pool.header().n_procs; i++) {
        all["processors"].push_back(processor_json(pool.processor(i)));
    }
    all["programs"] = programs_json(pool);
    if (json) {
        print(all);
    } else {
        print_text(all);
    }
    return pool.accelerated() ? kOk : kNotRunning;
}

}  // namespace eta::ctl
