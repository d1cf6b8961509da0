// SPDX-License-Identifier: MIT
// Simulator: see run.h.
#include "sim/run.h"

namespace eta::sim {

using test::SimHost;
using test::SimLink;

namespace {

test::Mac mac_of(uint32_t host) {
    return {2, 0, 0, 0, 1, static_cast<uint8_t>(host + 1)};
}

}  // namespace

Run::Run(const Plan& p, bool with_pcap) : plan(p), rng(p.seed ^ 0x5eed), outcomes(p.specs.size()) {
    if (with_pcap)
        pcap.enable();
    build();
}

Run::~Run() = default;

void Run::fail(const std::string& what) {
    throw test::Failure(what + " at " + std::to_string(world.now_us()) + " us");
}

void Run::build() {
    for (uint32_t i = 0; i < plan.hosts; i++) {
        test::HostOptions o;
        o.addr = addr_of(i);
        o.seed = plan.seed * 16 + i;
        o.port.mac = mac_of(i);
        o.port.mtu = plan.mtu;
        o.port.tso_max = plan.tso_max;
        o.port.csum_offload = plan.csum_offload;
        o.port.rx_csum_valid = plan.rx_csum_valid;
        o.port.tx_room = plan.tx_room;
        o.rx_small = plan.rx_small;
        o.rx_large = plan.rx_large;
        o.tx_pool_size = 4u << 20;
        hosts_.push_back(std::make_unique<SimHost>(world, o));
        for (uint32_t k = 0; k < plan.hosts; k++)
            if (k != i)
                hosts_[i]->set_neighbour(addr_of(k), mac_of(k));
    }
    links_.resize(plan.hosts);
    for (uint32_t i = 0; i < plan.hosts; i++)
        wire(i);
    for (uint32_t i = 0; i < plan.hosts; i++) {
        actors_.push_back(std::make_unique<Actor>(*this, *hosts_[i], true));
        servers_.push_back(actors_.back().get());
        actors_.back()->start();
    }
    std::vector<Actor*> clients;
    for (uint32_t i = 0; i < plan.hosts * plan.clients_per_host; i++) {
        actors_.push_back(
            std::make_unique<Actor>(*this, *hosts_[i / plan.clients_per_host], false));
        clients.push_back(actors_.back().get());
        clients.back()->start();
    }
    for (const Spec& s : plan.specs) {
        Actor* a = clients[s.client_host * plan.clients_per_host + s.client_program];
        world.at(s.start_us, [a, &s] { a->open(s); });
    }
    schedule_trouble();
    janitors();
}

// A switch: the destination MAC chooses the link.
void Run::wire(uint32_t from) {
    for (uint32_t to = 0; to < plan.hosts; to++) {
        auto arrive = [this, to](test::Bytes f) {
            if (!hosts_[to]->fw_running())
                return;
            hosts_[to]->port().deliver(std::move(f));
            hosts_[to]->poke();
        };
        uint64_t seed = plan.seed * 1000 + from * 10 + to;
        links_[from].push_back(std::make_unique<SimLink>(world, plan.link, seed, arrive));
        links_[from].back()->pcap = &pcap;
    }
    hosts_[from]->port().sink = [this, from](test::Bytes f) {
        uint32_t to = f.size() >= 14 && f[4] == 1 ? f[5] - 1u : plan.hosts;
        if (to < plan.hosts && to != from)
            links_[from][to]->send(std::move(f));
        else
            fail("a frame to nobody left host " + std::to_string(from));
    };
}

void Run::schedule_trouble() {
    world.at(plan.heal_us, [this] { heal(); });
    auto all_links = [this](bool down) {
        for (auto& row : links_)
            for (auto& l : row)
                l->set_down(down);
    };
    if (plan.blackout_us) {
        world.at(plan.blackout_us, [=] { all_links(true); });
        world.at(plan.blackout_us + plan.blackout_len_us, [=] { all_links(false); });
    }
    for (uint64_t when : plan.restart_us) {
        world.at(when, [this] {
            SimHost* host = hosts_[rng.below(plan.hosts)].get();
            if (!host->fw_running())
                return;
            if (rng.below(2)) {  // in the middle of a turn
                host->crash_fw(1 + rng.below(60), plan.restart_down_us);
                return;
            }
            host->kill_fw();
            world.after(plan.restart_down_us, [host] {
                if (!host->fw_running())
                    host->start_fw();
            });
        });
    }
    for (uint64_t when : plan.kill_us) {
        world.at(when, [this] {
            uint32_t victim = rng.below(plan.hosts * plan.clients_per_host);
            Actor& a = *actors_[plan.hosts + victim];
            if (!a.alive())
                return;
            a.kill();
            for (const Spec& s : plan.specs)  // what it had closed may still be under way
                if (s.client_host * plan.clients_per_host + s.client_program == victim)
                    outcomes[s.id].excused |= !outcomes[s.id].server_done;
        });
    }
}

void Run::janitors() {
    for (auto& a : actors_)
        if (a->alive())
            a->janitor();
    for (auto& host : hosts_)
        os_stack(*host);
    world.after(10'000'000, [this] { janitors(); });
}

void Run::heal() {
    for (auto& row : links_)
        for (auto& l : row)
            l->heal();
}

// What the OS stack does with a segment it knows nothing of (RFC 9293 3.10.7.1). SYNs are left to
// be tried again: these machines have no OS sockets.
void Run::os_stack(SimHost& host) {
    for (const test::Bytes& frame : host.take_raw_rx()) {
        auto t = test::decode(frame, nullptr);
        if (!t || (t->flags & (test::kR | test::kS)))
            continue;
        test::TcpFrame r;
        r.smac = t->dmac;
        r.dmac = t->smac;
        r.saddr = t->daddr;
        r.daddr = t->saddr;
        r.sport = t->dport;
        r.dport = t->sport;
        r.seq = t->ack;
        r.flags = test::kR;
        host.put_raw_tx(test::encode(r));
    }
}

void Run::check_step() {
    for (auto& host : hosts_)
        if (host->port().bad_offload)
            fail("a frame with offload fields that make no sense was sent");
}

// A connection that is reset may be over before its server ever heard of it.
bool Run::finished(const Spec& s, const Outcome& o) const {
    bool must_begin = !o.excused && s.end < End::kClientAbort;
    return o.client_done && (o.server_done || (!o.server_began && !must_begin));
}

bool Run::all_done() const {
    for (const Spec& s : plan.specs)
        if (!finished(s, outcomes[s.id]))
            return false;
    return true;
}

std::string Run::stuck() const {
    std::string out = "connections are stuck:\n";
    for (const Spec& s : plan.specs) {
        const Outcome& o = outcomes[s.id];
        if (finished(s, o))
            continue;
        out += "  conn " + std::to_string(s.id) + " host " + std::to_string(s.client_host) +
               " -> " + std::to_string(s.server_host) + " req " + std::to_string(s.req_len) +
               " resp " + std::to_string(s.resp_len) + " end " + std::to_string(int(s.end)) +
               ": client " + (o.client_done ? "done" : "open") + " err " +
               std::to_string(o.client_err) + " server " +
               (o.server_done    ? "done"
                : o.server_began ? "open"
                                 : "not begun") +
               "\n";
    }
    for (auto& a : actors_)
        out += a->describe();
    for (auto& host : hosts_)
        out += "host\n" + host->describe_contexts();
    return out;
}

void Run::go(Totals* totals) {
    uint64_t deadline = plan.heal_us + kFinishUs;
    for (uint64_t n = 0;; n++) {
        if (!world.step())
            fail("nothing happens any more");
        check_step();
        if (n % 128 == 0) {
            for (auto& host : hosts_)
                os_stack(*host);
            if (all_done())
                break;
            if (world.now_us() > deadline)
                fail(stuck());
        }
    }
    for (const Spec& s : plan.specs)
        check_outcome(s, outcomes[s.id]);
    totals->virtual_us += world.now_us();
    for (auto& row : links_)
        for (auto& l : row)
            totals->frames += l->sent, totals->lost += l->lost;
    for (auto& host : hosts_)
        totals->recovered += host->counter(fw::Counter::recovered);
    for (const Outcome& o : outcomes) {
        totals->bytes += o.client_got + o.server_got;
        totals->connections++;
        totals->to_os += o.to_os;
    }
    shut_down();
    totals->steps += world.steps();
}

void Run::check_outcome(const Spec& s, const Outcome& o) {
    if (o.excused || s.end >= End::kClientAbort)
        return;  // it ended, and no wrong byte was seen
    std::string name =
        "connection " + std::to_string(s.id) + " (end " + std::to_string(int(s.end)) + "): ";
    if (o.client_err || o.server_err)
        fail(name + "errors " + std::to_string(o.client_err) + " and " +
             std::to_string(o.server_err));
    if (o.server_got != s.req_len || o.client_got != s.resp_len)
        fail(name + "server got " + std::to_string(o.server_got) + " of " +
             std::to_string(s.req_len) + ", client got " + std::to_string(o.client_got) + " of " +
             std::to_string(s.resp_len));
}

// Everything must come back: contexts, buffers, timers; then regions and DTIs.
void Run::shut_down() {
    heal();
    // Afterwards a child may be on its way to a listener that is gone already: harmless, counted.
    for (auto& host : hosts_)
        if (host->counter(fw::Counter::bad_child))
            fail("a child was refused");
    for (Actor* s : servers_)
        s->close_listener();
    for (auto& host : hosts_)
        if (!host->fw_running())
            host->start_fw();
    world.run_until(world.now_us() + 400'000'000);
    for (uint32_t i = 0; i < plan.hosts; i++)
        check_leaks(*hosts_[i], i);
    for (auto& a : actors_)
        if (a->alive())
            a->kill();
    world.run_until(world.now_us() + 10'000'000);
    for (auto& host : hosts_) {
        host->drain_agent();
        if (host->regions_in_use() || host->core().n_dti)
            fail("regions or DTIs leaked: " + std::to_string(host->regions_in_use()) + " and " +
                 std::to_string(host->core().n_dti));
    }
}

void Run::check_leaks(SimHost& host, uint32_t index) {
    auto zero = [&](const char* what, uint64_t n) {
        if (n)
            fail("host " + std::to_string(index) + " leaked " + std::to_string(n) + " " + what +
                 "\n" + host.describe_contexts());
    };
    zero("contexts", host.contexts_in_use());
    zero("TIME_WAIT entries", host.time_waits());
    zero("receive buffers", host.rx_buffers_in_use());
    zero("armed timers", host.timers_armed());
    zero("counted connections", host.core().proc->n_conn);
    using fw::Counter;
    zero("bad_status", host.counter(Counter::bad_status));
    zero("bad_entry", host.counter(Counter::bad_entry));
    zero("bad_order", host.counter(Counter::bad_order));
    zero("bad_ring", host.counter(Counter::bad_ring));
    zero("bad_index", host.counter(Counter::bad_index));
    for (auto& p : host.programs()) {
        if (!p->alive())
            continue;
        p->poll();
        zero("send buffers", p->region().held_small() + p->region().held_large());
    }
}

}  // namespace eta::sim
