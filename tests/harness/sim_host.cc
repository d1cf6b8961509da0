// SPDX-License-Identifier: MIT
// Test harness: see sim_host.h.
#include "harness/sim_host.h"

#include <arpa/inet.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <eta/ring_ops.h>

namespace eta::test {

namespace {

constexpr uint64_t kTickUs = 500'000;    // the loop's own housekeeping while idle
constexpr uint32_t kSeldomTurns = 1000;  // idle turns after which the loop looks less often
constexpr uint32_t kIdleTurns = 17;      // an idle region is looked at every 16th turn
constexpr uint32_t kMaxTurns = 200'000;  // work without end at one point in time is a bug

void* map_zero(size_t size, bool shared) {
    int flags = MAP_ANONYMOUS | MAP_NORESERVE | (shared ? MAP_SHARED : MAP_PRIVATE);
    void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p == MAP_FAILED)
        throw Failure("mmap");
    return p;
}

}  // namespace

// What the host does for the rules of the agent.
struct CoreOps {
    static SimHost& of(void* host) { return *static_cast<SimHost*>(host); }

    static int region_create(void* h, __u32 id, const eta_region_map* map, eta_client*,
                             eta_region_ro** ro) {
        SimHost::Objects& o = of(h).objects_[id];
        o.ro_size = map->ro_size;
        o.rw_size = map->rw_size;
        o.ro = map_zero(o.ro_size, of(h).options_.shared);
        o.rw = map_zero(o.rw_size, of(h).options_.shared);
        *ro = static_cast<eta_region_ro*>(o.ro);
        return 0;
    }
    static void region_destroy(void* h, __u32 id) {
        SimHost::Objects& o = of(h).objects_[id];
        munmap(o.ro, o.ro_size);
        munmap(o.rw, o.rw_size);
        of(h).objects_.erase(id);
    }
    static int ro_write(void* h, __u32 id, __u64 off, const void* data, __u32 len) {
        std::memcpy(static_cast<uint8_t*>(of(h).objects_.at(id).ro) + off, data, len);
        return 0;
    }
    static int ro_read(void* h, __u32 id, __u64 off, void* data, __u32 len) {
        std::memcpy(data, static_cast<uint8_t*>(of(h).objects_.at(id).ro) + off, len);
        return 0;
    }
    static void ctx_clear(void* h, __u32 index) {
        auto* ctx = reinterpret_cast<eta_ctx*>(static_cast<uint8_t*>(of(h).pool_) +
                                               of(h).core_.hdr->ctx_off);
        std::memset(&ctx[index], 0, sizeof(eta_ctx));
    }
    static void wake_region(void* h, __u32 id) { of(h).interrupt_region(id); }
    static void wake_fw(void* h, __u32) { of(h).poke(); }
    static void agent_interrupt(void* h, __u32) { of(h).agent_interrupt(); }
    static int listen_check(void* h, eta_client*, __s32 fd, eta_listen_addr* out) {
        SimHost& host = of(h);
        if (fd < 0 || static_cast<size_t>(fd) >= host.os_sockets_.size())
            return -ENOTSOCK;
        std::memset(out, 0, sizeof *out);
        if (host.os_sockets_[fd].addr)
            eta_addr_from_v4(out->addr, htonl(host.os_sockets_[fd].addr));
        out->port = htons(host.os_sockets_[fd].port);
        out->family = 2;
        return 0;
    }
    static int port_up(void*, __u32, const eta_fw_port*) { return 0; }
    static void neigh_wanted(void* h, const __u8* addr) { of(h).neigh_wanted_ = get32(addr + 12); }
};

namespace {

constexpr eta_core_ops make_ops() {
    eta_core_ops ops{};
    ops.region_create = CoreOps::region_create;
    ops.region_destroy = CoreOps::region_destroy;
    ops.ro_write = CoreOps::ro_write;
    ops.ro_read = CoreOps::ro_read;
    ops.ctx_clear = CoreOps::ctx_clear;
    ops.wake_region = CoreOps::wake_region;
    ops.wake_fw = CoreOps::wake_fw;
    ops.agent_interrupt = CoreOps::agent_interrupt;
    ops.listen_check = CoreOps::listen_check;
    ops.port_up = CoreOps::port_up;
    ops.neigh_wanted = CoreOps::neigh_wanted;
    return ops;
}

const eta_core_ops kOps = make_ops();

}  // namespace

SimHost::SimHost(World& world, const HostOptions& options)
    : world_(world), options_(options), port_(options.port) {
    eta_limits limits;
    eta_limits_default(&limits);
    limits.n_procs = 1;
    limits.n_ctx = options.n_ctx;
    limits.n_buckets = 1024;
    limits.n_tw = options.n_tw;
    limits.n_listeners = 64;
    limits.n_regions = 32;
    limits.n_routes = limits.n_neighs = limits.n_addrs = 64;
    limits.max_dti = options.max_dti;
    limits.rx_small = options.rx_small;
    limits.rx_large = options.rx_large;
    limits.tx_pool_size = options.tx_pool_size;
    limits.quota_dti = std::min(limits.quota_dti, options.max_dti);
    eta_pool_hdr layout{};
    if (eta_pool_layout(&limits, &layout) != 0)
        fail("eta_pool_layout");
    pool_size_ = layout.size;
    pool_ = map_zero(pool_size_, options.shared);
    core_mem_.resize(eta_core_mem_size(&limits) / 8 + 1);
    if (eta_core_init(&core_, &limits, pool_, core_mem_.data(), options.seed | 1, &kOps, this) != 0)
        fail("eta_core_init");
    mirror_tables(options);
    start_fw();
}

SimHost::~SimHost() {
    alive_.reset();
    for (auto& p : programs_)
        p->abandon();
    fw_.reset();
    eta_core_fini(&core_);
    munmap(pool_, pool_size_);
}

void SimHost::mirror_tables(const HostOptions& options) {
    eta_addr a{};
    eta_addr_from_v4(a.addr, htonl(options.addr));
    a.plen = 96 + options.plen;
    a.valid = 1;
    eta_tables_set_addr(&core_, &a);
    eta_route r{};
    eta_addr_from_v4(r.dst, htonl(options.addr & (~0u << (32 - options.plen))));
    eta_addr_from_v4(r.src, htonl(options.addr));
    r.plen = 96 + options.plen;
    r.valid = ETA_ROUTE_PORT;
    eta_tables_set_route(&core_, &r);
    eta_tables_commit(&core_);
}

void SimHost::set_neighbour(uint32_t addr, const Mac& mac) {
    eta_neigh n{};
    eta_addr_from_v4(n.addr, htonl(addr));
    std::copy(mac.begin(), mac.end(), n.mac);
    n.valid = 1;
    eta_tables_set_neigh(&core_, &n);
    eta_tables_commit(&core_);
    poke();
}

Program& SimHost::start(const ProgramOptions& options) {
    programs_.push_back(std::make_unique<Program>(*this, options));
    return *programs_.back();
}

void SimHost::client_gone(eta_client& client) {
    auto it = objects_.find(client.region);
    if (client.role == ETA_ROLE_APP && it != objects_.end())
        it->second.program = nullptr;
    eta_core_client_gone(&core_, &client);
    poke();
}

int SimHost::os_listen(uint32_t addr, uint16_t port) {
    os_sockets_.push_back({addr, port});
    return static_cast<int>(os_sockets_.size()) - 1;
}

void SimHost::interrupt_region(uint32_t id) {
    auto it = objects_.find(id);
    if (it == objects_.end() || !it->second.program)
        return;
    it->second.program->awake = true;
    if (it->second.program->on_wake)
        it->second.program->on_wake();
}

void SimHost::agent_interrupt() {
    world_.at(world_.now_us(), [this, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired())
            drain_agent();
    });
}

bool SimHost::fw_map(uint32_t region, void** ro, void** rw) {
    eta_fw_map args{};
    args.region = region;
    if (eta_core_cmd(&core_, &fw_client_, ETA_CMD_FW_MAP, &args, sizeof args) != 0)
        return false;
    *ro = objects_.at(region).ro;
    *rw = objects_.at(region).rw;
    return true;
}

void SimHost::start_fw() {
    fw_client_ = eta_client{};
    fw_client_.privileged = 1;
    eta_attach attach{};
    attach.abi_version = ETA_ABI_VERSION;
    attach.role = ETA_ROLE_FW;
    command(fw_client_, ETA_CMD_ATTACH, attach);
    fw_ = std::make_unique<FwHost>(*this, pool_, &port_, options_.seed + 77 * fw_lives_++);
    poke();
}

std::unique_ptr<FwHost> SimHost::make_fw(uint64_t seed) {
    return std::make_unique<FwHost>(*this, pool_, &port_, seed);
}

void SimHost::kill_fw() {
    fw_.reset();
    port_.drop_all();
    eta_core_client_gone(&core_, &fw_client_);
}

uint64_t SimHost::counter(fw::Counter c) const {
    auto* words =
        reinterpret_cast<uint64_t*>(static_cast<uint8_t*>(pool_) + core_.hdr->counter_off);
    return words[static_cast<uint32_t>(c)];
}

uint32_t SimHost::contexts_in_use() const {
    auto* ctx = reinterpret_cast<eta_ctx*>(static_cast<uint8_t*>(pool_) + core_.hdr->ctx_off);
    uint32_t n = 0;
    for (uint32_t i = 1; i < core_.hdr->n_ctx; i++)
        n += ctx[i].state != ETA_TCP_FREE && ctx[i].state != ETA_TCP_LISTEN;
    return n;
}

std::string SimHost::describe_contexts() const {
    auto* ctx = reinterpret_cast<eta_ctx*>(static_cast<uint8_t*>(pool_) + core_.hdr->ctx_off);
    std::string out;
    for (uint32_t i = 1; i < core_.hdr->n_ctx; i++) {
        const eta_ctx& c = ctx[i];
        if (c.state == ETA_TCP_FREE || c.state == ETA_TCP_LISTEN)
            continue;
        char line[256];
        std::snprintf(
            line, sizeof line,
            "  ctx %u region %u dti %u state %u flags %#x ports %u>%u snd %u+%u wnd %u rcv_nxt %u "
            "rto %llu keep %llu retries %u\n",
            i, c.region, c.local, c.state, c.flags, ntohs(c.lport), ntohs(c.rport),
            c.snd_una - c.iss, c.snd_max - c.snd_una, c.snd_wnd, c.rcv_nxt - c.irs,
            static_cast<unsigned long long>(c.rto_deadline_us),
            static_cast<unsigned long long>(c.keep_deadline_us), c.retries);
        out += line;
    }
    return out;
}

uint32_t SimHost::time_waits() const {
    auto* tw = reinterpret_cast<eta_tw*>(static_cast<uint8_t*>(pool_) + core_.hdr->tw_off);
    uint32_t n = 0;
    for (uint32_t i = 0; i < core_.hdr->n_tw; i++)
        n += tw[i].kind == ETA_TW_TIME_WAIT && fw::time_wait_left_ms(tw[i], world_.now_us()) > 0;
    return n;
}

uint32_t SimHost::rx_buffers_in_use() {
    uint32_t n = 0;
    fw::Regions& regions = engine().regions;
    for (uint32_t i = 0; i < regions.live_count(); i++)
        n += regions[regions.live(i)].small.in_use() + regions[regions.live(i)].large.in_use();
    return n;
}

std::vector<Bytes> SimHost::take_raw_rx() {
    std::vector<Bytes> out;
    eta_proc* proc = core_.proc;
    auto* base = static_cast<uint8_t*>(pool_) + core_.hdr->raw_rx_off;
    uint32_t n = eta_ring_ready(&proc->raw_rx_prod, proc->raw_rx_cons);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t* slot = base + uint64_t{(proc->raw_rx_cons + i) % ETA_RAW_DEPTH} * ETA_RAW_FRAME;
        auto* raw = reinterpret_cast<eta_raw*>(slot);
        out.emplace_back(slot + sizeof *raw, slot + sizeof *raw + raw->len);
    }
    eta_ring_release(&proc->raw_rx_cons, proc->raw_rx_cons + n);
    return out;
}

bool SimHost::put_raw_tx(const Bytes& frame) {
    eta_proc* proc = core_.proc;
    if (eta_ring_room(proc->raw_tx_prod, &proc->raw_tx_cons, ETA_RAW_DEPTH) == 0)
        return false;
    uint8_t* slot = static_cast<uint8_t*>(pool_) + core_.hdr->raw_tx_off +
                    uint64_t{proc->raw_tx_prod % ETA_RAW_DEPTH} * ETA_RAW_FRAME;
    reinterpret_cast<eta_raw*>(slot)->len = static_cast<uint32_t>(frame.size());
    std::memcpy(slot + sizeof(eta_raw), frame.data(),
                std::min<size_t>(frame.size(), ETA_RAW_FRAME - 8));
    eta_ring_publish(&proc->raw_tx_prod, proc->raw_tx_prod + 1);
    poke();
    return true;
}

bool SimHost::turn_once() {
    if (!fw_)
        return false;
    try {
        return fw_->loop().turn(world_.now_us()) != 0;
    } catch (const SimPort::Crash&) {
        crashed();
    }
    return false;
}

void SimHost::crash_fw(uint32_t port_calls, uint64_t down_us) {
    crash_down_us_ = down_us;
    port_.crash_at_call(port_calls);
    poke();
}

void SimHost::crashed() {
    kill_fw();
    world_.after(crash_down_us_, [this, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired() && !fw_)
            start_fw();
    });
}

// A region without doorbells for long is looked at every 16th turn only.
uint32_t SimHost::idle_turns_needed() {
    if (!fw_)
        return 0;
    fw::Regions& regions = engine().regions;
    for (uint32_t i = 0; i < regions.live_count(); i++)
        if (regions[regions.live(i)].idle_turns > kSeldomTurns)
            return kIdleTurns;
    return 2;
}

void SimHost::run() {
    poked_ = false;
    uint32_t idle = 0;
    uint32_t enough = idle_turns_needed();
    for (uint32_t n = 0; fw_ && idle < enough; n++) {
        idle = turn_once() || port_.rx_pending() ? 0 : idle + 1;
        if (n > kMaxTurns)
            fail("the loop finds work without end at one point in time");
    }
    eta_core_drain(&core_);
    set_alarm();
}

void SimHost::set_alarm() {
    uint64_t due = world_.now_us() + kTickUs;
    uint64_t deadline = fw_ ? fw_->loop().next_deadline_us() : 0;
    if (deadline)
        due = std::min(due, std::max(deadline, world_.now_us() + 500));
    if (alarm_us_ > world_.now_us() && alarm_us_ <= due)
        return;
    alarm_us_ = due;
    world_.at(due, [this, due, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired() && alarm_us_ == due)
            run();
    });
}

void SimHost::poke() {
    if (poked_)
        return;
    poked_ = true;
    world_.at(world_.now_us(), [this, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired() && poked_)
            run();
    });
}

void SimHost::settle() {
    for (bool more = true; more;) {
        run();
        more = false;
        for (auto& p : programs_)
            more |= p->poll();
        while (world_.next_us() <= world_.now_us())
            more |= world_.step();
    }
}

}  // namespace eta::test
