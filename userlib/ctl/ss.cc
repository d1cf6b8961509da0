// SPDX-License-Identifier: MIT
// `eta-ctl ss`: the connections of the accelerator, read from the context table of the agent pool.

#include <fmt/format.h>

#include "pool_view.h"

namespace eta::ctl {

namespace {

const char* state_name(uint32_t state)
{
    static const char* const names[] = {"FREE",       "LISTEN",     "SYN-SENT",   "SYN-RECV",
                                        "ESTAB",      "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                        "CLOSING",    "LAST-ACK",   "TIME-WAIT"};
    return state < sizeof names / sizeof names[0] ? names[state] : "?";
}

// Name of the program that owns a region; regions repeat, so they are looked up once.
class Programs {
public:
    explicit Programs(const PoolView& pool) : regions_(pool.regions()) {}

    Json json(uint32_t region) const
    {
        if (region == ETA_NONE || region >= regions_.size()) {
            return nullptr;
        }
        const eta_region_desc r = regions_[region];
        return {{"name", std::string(r.comm, strnlen(r.comm, sizeof r.comm))}, {"pid", r.pid}};
    }

private:
    Table<eta_region_desc> regions_;
};

Json details(const eta_ctx& c)
{
    return {
        {"mss", c.mss},
        {"cwnd", c.cwnd},
        {"ssthresh", c.ssthresh},
        {"snd_wnd", c.snd_wnd},
        {"rcv_buf", c.rcv_buf},
        {"rtt_us", c.srtt_us},
        {"rttvar_us", c.rttvar_us},
        {"rto_us", c.rto_us},
        {"backoff", c.backoff},
        {"retrans", c.retrans},
        {"segs_in", c.segs_in},
        {"segs_out", c.segs_out},
        {"bytes_acked", c.tx_acked},
        {"bytes_received", c.rx_tail},
        {"out_of_order", c.ooo_count},
        {"timestamps", (c.flags & ETA_CTX_F_TS) != 0},
        {"window_scale", (c.flags & ETA_CTX_F_WSCALE) != 0},
    };
}

Json connection(uint32_t index, const eta_owner& owner, const eta_ctx& c, const Programs& programs)
{
    Json row = {
        {"state", state_name(c.state)},
        {"recv_q", c.rx_tail - c.rx_head},
        {"send_q", c.tx_tail - c.tx_acked},
        {"local", endpoint(c.laddr, c.lport)},
        {"peer", endpoint(c.raddr, c.rport)},
        {"same_host", (c.flags & ETA_CTX_F_LOCAL) != 0},
        {"passive", (c.flags & ETA_CTX_F_PASSIVE) != 0},
        {"context", index},
        {"region", owner.region},
        {"dti", owner.local},
        {"program", programs.json(owner.region)},
    };
    row["info"] = details(c);
    return row;
}

void add_connections(const PoolView& pool, const Programs& programs, Json& rows)
{
    const auto owners = pool.owners();
    const auto contexts = pool.contexts();
    for (uint32_t i = 1; i < contexts.size(); i++) {
        const eta_owner owner = owners[i];
        if (owner.region == ETA_NONE) {
            continue;
        }
        const eta_ctx c = contexts[i];
        if (c.state != ETA_TCP_FREE && c.state != ETA_TCP_LISTEN) {
            rows.push_back(connection(i, owner, c, programs));
        }
    }
}

void add_listeners(const PoolView& pool, const Programs& programs, Json& rows)
{
    const auto listeners = pool.listeners();
    for (uint32_t i = 1; i < listeners.size(); i++) {
        const eta_listener l = listeners[i];
        if (l.region != ETA_NONE) {
            rows.push_back({{"state", "LISTEN"},
                            {"recv_q", 0},
                            {"send_q", l.backlog},
                            {"local", endpoint(l.addr, l.port)},
                            {"peer", "*:*"},
                            {"listener", i},
                            {"region", l.region},
                            {"dti", l.local},
                            {"program", programs.json(l.region)}});
        }
    }
}

void add_time_waits(const PoolView& pool, Json& rows)
{
    const auto table = pool.time_waits();
    for (uint32_t i = 0; i < table.size(); i++) {
        const eta_tw tw = table[i];
        if (tw.kind == ETA_TW_TIME_WAIT) {
            rows.push_back({{"state", "TIME-WAIT"},
                            {"recv_q", 0},
                            {"send_q", 0},
                            {"local", endpoint(tw.laddr, tw.lport)},
                            {"peer", endpoint(tw.raddr, tw.rport)},
                            {"program", nullptr}});
        }
    }
}

std::string program_text(const Json& program)
{
    return program.is_null() ? std::string("-")
                             : fmt::format("{},pid={}", program["name"].get<std::string>(),
                                           program["pid"].get<int>());
}

void print_text(const Json& rows, bool with_info)
{
    fmt::print("{:<11} {:>9} {:>9}  {:<24} {:<24} {}\n", "State", "Recv-Q", "Send-Q",
               "Local Address:Port", "Peer Address:Port", "Process");
    for (const Json& row : rows) {
        fmt::print("{:<11} {:>9} {:>9}  {:<24} {:<24} {}\n", row["state"].get<std::string>(),
                   row["recv_q"].get<uint64_t>(), row["send_q"].get<uint64_t>(),
                   row["local"].get<std::string>(), row["peer"].get<std::string>(),
                   program_text(row["program"]));
        if (!with_info || !row.contains("info")) {
            continue;
        }
        std::string line;
        for (const auto& [key, value] : row["info"].items()) {
            line += fmt::format(" {}:{}", key, value.dump());
        }
        fmt::print("     {}\n", line);
    }
}

}  // namespace

int ss(const SsOptions& options, bool json)
{
    const PoolView pool;
    const Programs programs(pool);
    Json rows = Json::array();
    if (options.all || !options.listening) {
        add_connections(pool, programs, rows);
    }
    if (options.all || options.listening) {
        add_listeners(pool, programs, rows);
    }
    if (options.all) {
        add_time_waits(pool, rows);
    }
    if (json) {
        print(Json{{"connections", rows}});
    } else {
        print_text(rows, options.details);
    }
    return kOk;
}

}  // namespace eta::ctl
