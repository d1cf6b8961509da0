// SPDX-License-Identifier: MIT
// A host of the agent's rules made of plain memory, for unit tests and the fuzzer: records what
// the core asks for, plays the accelerator's side of the kernel-space queues, and checks what must
// always hold. One thread.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>

#include <eta/ring_ops.h>

#include "core.h"

namespace eta::test {

// Zeroed memory that costs only what is touched, with a guard page behind it.
class Block {
public:
    explicit Block(size_t size) : size_((size + ETA_PAGE - 1) / ETA_PAGE * ETA_PAGE + ETA_PAGE)
    {
        p_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p_ == MAP_FAILED) std::abort();
        mprotect(static_cast<char*>(p_) + size_ - ETA_PAGE, ETA_PAGE, PROT_NONE);
    }
    ~Block() { if (p_) munmap(p_, size_); }
    Block(Block&& other) : size_(other.size_), p_(std::exchange(other.p_, nullptr)) {}
    Block(const Block&) = delete;

    void* get() const { return p_; }

private:
    size_t size_;
    void* p_;
};

inline eta_limits small_limits()
{
    eta_limits l;
    eta_limits_default(&l);
    l.n_ctx = 600;
    l.n_buckets = 256;
    l.n_tw = 16;
    l.n_listeners = 8;
    l.n_regions = 6;
    l.n_routes = 4;
    l.n_neighs = 4;
    l.n_addrs = 4;
    l.max_dti = 512;
    l.rx_small = 16;
    l.rx_large = 2;
    l.tx_pool_size = 65536;
    l.quota_dti = 400;
    l.quota_total = 500;
    l.quota_regions = 3;
    l.quota_listeners = 5;
    return l;
}

class AgentHost {
public:
    explicit AgentHost(const eta_limits& l = small_limits())
        : pool_size_(size_of(l)), pool(pool_size_), mem_(eta_core_mem_size(&l))
    {
        init_result = eta_core_init(&core, &l, pool.get(), mem_.get(), 77, ops(), this);
    }
    AgentHost(const AgentHost&) = delete;

    // -- commands --
    template <typename T>
    int cmd(eta_client& c, unsigned number, T& payload)
    {
        return eta_core_cmd(&core, &c, number, &payload, sizeof payload);
    }
    int attach(eta_client& c, unsigned role)
    {
        eta_attach a{};
        a.abi_version = ETA_ABI_VERSION;
        a.role = role;
        const int ret = cmd(c, ETA_CMD_ATTACH, a);
        last_attach = a;
        return ret;
    }
    int create(eta_client& c, unsigned count, eta_dti_create* out = nullptr)
    {
        eta_dti_create d{};
        d.count = count;
        const int ret = cmd(c, ETA_CMD_DTI_CREATE, d);
        if (out) *out = d;
        return ret;
    }
    int listen(eta_client& c, unsigned local, unsigned* index = nullptr)
    {
        eta_listen l{};
        l.local = local;
        l.backlog = 10;
        const int ret = cmd(c, ETA_CMD_LISTEN, l);
        if (index) *index = l.listener;
        return ret;
    }
    int unlisten(eta_client& c, unsigned index)
    {
        eta_unlisten u{};
        u.listener = index;
        return cmd(c, ETA_CMD_UNLISTEN, u);
    }
    void gone(eta_client& c) { eta_core_client_gone(&core, &c); }

    // -- the accelerator's side --
    std::vector<eta_kq> notes()
    {
        std::vector<eta_kq> out;
        eta_proc& p = core.proc[0];
        while (p.to_fw_cons != p.to_fw_prod)
            out.push_back(core.to_fw[p.to_fw_cons++ % ETA_KQ_DEPTH]);
        return out;
    }
    void say(unsigned op, unsigned a, const __u8* addr = nullptr)
    {
        eta_proc& p = core.proc[0];
        eta_kq& e = core.to_agent[p.to_agent_prod % ETA_KQ_DEPTH];
        e = {};
        e.op = op;
        e.a = a;
        if (addr) std::memcpy(e.addr, addr, sizeof e.addr);
        p.to_agent_prod++;
    }
    // Answers every note as an accelerator without connections would.
    void serve()
    {
        for (const eta_kq& n : notes()) {
            if (n.op == ETA_KQ_LISTEN_DEL) say(ETA_KQ_LISTEN_GONE, n.a);
            if (n.op == ETA_KQ_REGION_DYING) say(ETA_KQ_REGION_GONE, n.a);
        }
        eta_core_drain(&core);
    }

    // -- invariants; an empty string if all is well --
    std::string broken() const
    {
        const eta_limits& l = core.limits;
        unsigned owned = 0, live = 0, dying = 0;
        for (unsigned i = 0; i < l.n_ctx; i++) {
            const unsigned r = core.owner[i].region;
            if (r == ETA_NONE) continue;
            owned++;
            if (i == 0) return "slot 0 given away";
            if (r >= l.n_regions || core.region[r].state == ETA_REGION_FREE)
                return "owner without region";
            if (core.owner[i].local >= core.region[r].n_dti) return "owner beyond n_dti";
        }
        for (unsigned r = 1; r < l.n_regions; r++) {
            const unsigned state = core.region[r].state;
            live += state == ETA_REGION_LIVE;
            dying += state == ETA_REGION_DYING;
            if ((state != ETA_REGION_FREE) != (objects.count(r) != 0)) return "objects of a region";
            if (state == ETA_REGION_FREE) continue;
            const std::string why = broken_region(r);
            if (!why.empty()) return why;
        }
        for (unsigned i = 1; i < l.n_listeners; i++) {
            const bool used = core.listener_slot[i].state != ETA_LISTENER_FREE;
            if (used != (core.listener[i].region != ETA_NONE))
                return "listener entry and slot differ";
            if (used && core.region[core.listener[i].region].state == ETA_REGION_FREE)
                return "listener without region";
        }
        if (owned != core.n_dti) return "n_dti";
        if (owned > l.quota_total) return "quota_total";
        if (live != core.n_live || dying != core.n_dying) return "region counts";
        if (core.hdr->tables_seq & 1) return "tables_seq is odd";
        return {};
    }

    struct Objects {
        Block ro;
        Block rw;
    };

private:
    size_t pool_size_;

public:
    Block pool;
    eta_core core{};
    int init_result = 0;
    eta_attach last_attach{};
    std::map<unsigned, Objects> objects;
    std::vector<unsigned> woken;      // regions
    unsigned kicks = 0;               // accelerator
    unsigned agent_interrupts = 0;
    std::set<unsigned> cleared;       // context slots
    std::vector<std::string> neigh;   // 16 raw bytes each
    eta_listen_addr listen_addr{{}, 0x5000, 2, 0};
    int listen_result = 0;
    int create_result = 0;
    int write_result = 0;
    eta_fw_port port{};

private:
    static size_t size_of(const eta_limits& l)
    {
        eta_pool_hdr h{};
        if (eta_pool_layout(&l, &h) != 0) return ETA_PAGE;
        return h.size;
    }

    std::string broken_region(unsigned r) const
    {
        const auto* ro = static_cast<const eta_region_ro*>(objects.at(r).ro.get());
        const char* base = static_cast<const char*>(objects.at(r).ro.get());
        const auto* map = reinterpret_cast<const __u32*>(base + ro->map.ro_ctx_off);
        if (ro->n_dti != core.region[r].n_dti) return "n_dti of region and description differ";
        if (ro->n_dti > core.limits.quota_dti || ro->n_dti > ro->map.max_dti) return "quota_dti";
        if (ro->fw_down != (core.fw_mask == 0)) return "fw_down";
        for (unsigned i = 0; i < ro->n_dti; i++) {
            const eta_owner& o = core.owner[map[i]];
            if (o.region != r || o.local != i) return "context map and owner differ";
        }
        return {};
    }

    static AgentHost& of(void* h) { return *static_cast<AgentHost*>(h); }
    static char* ro_at(void* h, unsigned r, __u64 off)
    {
        return static_cast<char*>(of(h).objects.at(r).ro.get()) + off;
    }

    static const eta_core_ops* ops()
    {
        static const eta_core_ops table = {
            .region_create =
                [](void* h, __u32 r, const eta_region_map* m, eta_client*, eta_region_ro** ro) {
                    if (of(h).create_result) return of(h).create_result;
                    Objects o{Block(m->ro_size), Block(m->rw_size)};
                    auto it = of(h).objects.emplace(r, std::move(o));
                    *ro = static_cast<eta_region_ro*>(it.first->second.ro.get());
                    return 0;
                },
            .region_destroy = [](void* h, __u32 r) { of(h).objects.erase(r); },
            .ro_write =
                [](void* h, __u32 r, __u64 off, const void* data, __u32 len) {
                    if (of(h).write_result) return of(h).write_result;
                    std::memcpy(ro_at(h, r, off), data, len);
                    return 0;
                },
            .ro_read =
                [](void* h, __u32 r, __u64 off, void* data, __u32 len) {
                    std::memcpy(data, ro_at(h, r, off), len);
                    return 0;
                },
            .ctx_clear = [](void* h, __u32 ctx) { of(h).cleared.insert(ctx); },
            .wake_region = [](void* h, __u32 r) { of(h).woken.push_back(r); },
            .wake_fw = [](void* h, __u32) { of(h).kicks++; },
            .agent_interrupt = [](void* h, __u32) { of(h).agent_interrupts++; },
            .listen_check =
                [](void* h, eta_client*, __s32, eta_listen_addr* out) {
                    *out = of(h).listen_addr;
                    return of(h).listen_result;
                },
            .port_up =
                [](void* h, __u32, const eta_fw_port* p) {
                    of(h).port = *p;
                    return 0;
                },
            .fw_changed = nullptr,
            .neigh_wanted =
                [](void* h, const __u8* a) {
                    of(h).neigh.emplace_back(reinterpret_cast<const char*>(a), ETA_ADDR_LEN);
                },
        };
        return &table;
    }

    Block mem_;
};

inline eta_client app_client(unsigned pid = 100, unsigned uid = 1000)
{
    eta_client c{};
    c.pid = pid;
    c.uid = uid;
    std::strcpy(c.comm, "app");
    return c;
}

inline eta_client root_client(unsigned pid = 200)
{
    eta_client c = app_client(pid, 0);
    c.privileged = 1;
    return c;
}

}  // namespace eta::test
