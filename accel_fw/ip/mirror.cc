// SPDX-License-Identifier: MIT
// Mirror of addresses, routes and neighbours. See mirror.h.
#include "ip/mirror.h"

#include <algorithm>
#include <cstring>

#include <eta/ring_ops.h>

#include "mem/pool.h"

namespace eta::fw {
namespace {

constexpr uint32_t kCopyRetries = 64;
constexpr uint32_t kNoCopy = 1;  // odd, so never the sequence of a finished copy
constexpr uint8_t kZero[ETA_ADDR_LEN] = {};
constexpr uint8_t kV4Prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr uint8_t kV6Loopback[ETA_ADDR_LEN] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

bool same(const uint8_t* a, const uint8_t* b) { return std::memcmp(a, b, ETA_ADDR_LEN) == 0; }
bool is_v4(const uint8_t* a) { return std::memcmp(a, kV4Prefix, sizeof kV4Prefix) == 0; }

bool is_loopback(const uint8_t* a) { return is_v4(a) ? a[12] == 127 : same(a, kV6Loopback); }

// Neither a group nor all hosts: something TCP may talk to.
bool is_unicast(const uint8_t* a)
{
    if (is_v4(a)) return a[12] != 0 && a[12] < 224;
    return a[0] != 0xff && !same(a, kZero);
}

bool prefix_match(const uint8_t* a, const uint8_t* b, uint32_t plen)
{
    uint32_t whole = plen / 8;
    uint32_t rest = plen % 8;
    if (plen > 8 * ETA_ADDR_LEN) return false;
    if (std::memcmp(a, b, whole) != 0) return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

uint32_t hash_addr(const uint8_t* a)
{
    uint64_t hi, lo;
    std::memcpy(&hi, a, 8);
    std::memcpy(&lo, a + 8, 8);
    uint64_t h = (hi ^ (lo * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
    return static_cast<uint32_t>(h >> 32);
}

// Word by word, because the agent may be writing: the sequence counter tells, not the compiler.
template <typename T>
void copy_table(std::vector<T>& to, const T* from)
{
    static_assert(sizeof(T) % sizeof(uint32_t) == 0);
    auto* d = reinterpret_cast<uint32_t*>(to.data());
    auto* s = reinterpret_cast<const uint32_t*>(from);
    size_t words = to.size() * (sizeof(T) / sizeof(uint32_t));
    for (size_t i = 0; i < words; i++) d[i] = eta_load_once(&s[i]);
}

template <typename T>
void keep_valid(std::vector<T>& to, const std::vector<T>& from)
{
    to.clear();
    for (const T& t : from)
        if (t.valid) to.push_back(t);
}

}  // namespace

Mirror::Mirror(const Pool& pool) : pool_(pool), seen_seq_(kNoCopy)
{
    raw_addrs_.resize(pool.hdr->n_addrs);
    raw_routes_.resize(pool.hdr->n_routes);
    raw_neighs_.resize(pool.hdr->n_neighs);
    addrs_.reserve(raw_addrs_.size());
    routes_.reserve(raw_routes_.size());
    neighs_.reserve(raw_neighs_.size());
    uint32_t slots = 8;
    while (slots < 2 * raw_addrs_.size()) slots *= 2;
    slots_.assign(slots, 0);
    slot_mask_ = slots - 1;
    refresh();
}

bool Mirror::copy_consistent(uint32_t* seq)
{
    for (uint32_t i = 0; i < kCopyRetries; i++) {
        uint32_t before = eta_load_acquire(&pool_.hdr->tables_seq);
        if (before & 1) continue;
        copy_table(raw_addrs_, pool_.addrs);
        copy_table(raw_routes_, pool_.routes);
        copy_table(raw_neighs_, pool_.neighs);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (eta_load_once(&pool_.hdr->tables_seq) != before) continue;
        *seq = before;
        return true;
    }
    return false;
}

bool Mirror::refresh()
{
    uint32_t seq = eta_load_once(&pool_.hdr->tables_seq);
    if (seq == seen_seq_ || (seq & 1)) return false;
    if (!copy_consistent(&seq)) return false;
    seen_seq_ = seq;
    rebuild();
    return true;
}

void Mirror::rebuild()
{
    keep_valid(addrs_, raw_addrs_);
    keep_valid(routes_, raw_routes_);
    keep_valid(neighs_, raw_neighs_);
    std::sort(routes_.begin(), routes_.end(), [](const eta_route& a, const eta_route& b) {
        return a.plen != b.plen ? a.plen > b.plen : a.metric < b.metric;
    });
    std::sort(neighs_.begin(), neighs_.end(), [](const eta_neigh& a, const eta_neigh& b) {
        return std::memcmp(a.addr, b.addr, ETA_ADDR_LEN) < 0;
    });
    index_addresses();
}

void Mirror::index_addresses()
{
    std::fill(slots_.begin(), slots_.end(), 0);
    for (uint32_t i = 0; i < addrs_.size(); i++) {
        uint32_t s = hash_addr(addrs_[i].addr) & slot_mask_;
        while (slots_[s] != 0) s = (s + 1) & slot_mask_;
        slots_[s] = i + 1;
    }
}

bool Mirror::is_local(const uint8_t* addr) const
{
    uint32_t s = hash_addr(addr) & slot_mask_;
    for (; slots_[s] != 0; s = (s + 1) & slot_mask_)
        if (same(addrs_[slots_[s] - 1].addr, addr)) return true;
    return is_loopback(addr);
}

const uint8_t* Mirror::neighbour(const uint8_t* addr) const
{
    auto it = std::lower_bound(neighs_.begin(), neighs_.end(), addr,
                               [](const eta_neigh& n, const uint8_t* a) {
                                   return std::memcmp(n.addr, a, ETA_ADDR_LEN) < 0;
                               });
    return it != neighs_.end() && same(it->addr, addr) ? it->mac : nullptr;
}

const eta_route* Mirror::best_route(const uint8_t* daddr) const
{
    for (const eta_route& r : routes_)  // longest prefix first
        if (is_v4(r.dst) == is_v4(daddr) && prefix_match(r.dst, daddr, r.plen)) return &r;
    return nullptr;
}

// The route's own choice; else the address that shares the longest prefix with the next hop.
void Mirror::choose_source(const eta_route& r, Route* out) const
{
    if (!same(r.src, kZero)) {
        std::memcpy(out->src, r.src, ETA_ADDR_LEN);
        return;
    }
    const eta_addr* best = nullptr;
    bool best_on_link = false;
    for (const eta_addr& a : addrs_) {
        if (a.on_lo || is_v4(a.addr) != is_v4(out->next_hop)) continue;
        bool on_link = prefix_match(a.addr, out->next_hop, a.plen);
        bool better = !best || (on_link && (!best_on_link || a.plen > best->plen));
        if (!better) continue;
        best = &a;
        best_on_link = on_link;
    }
    if (best) std::memcpy(out->src, best->addr, ETA_ADDR_LEN);
    else out->found = false;
}

Route Mirror::lookup(const uint8_t* daddr) const
{
    Route out;
    if (is_local(daddr)) {
        out.found = out.local = out.resolved = true;
        std::memcpy(out.src, daddr, ETA_ADDR_LEN);
        std::memcpy(out.next_hop, daddr, ETA_ADDR_LEN);
        return out;
    }
    if (!is_unicast(daddr)) return out;
    const eta_route* r = best_route(daddr);
    if (!r || r->valid != ETA_ROUTE_PORT) return out;
    out.found = true;
    out.mtu = r->mtu;
    std::memcpy(out.next_hop, same(r->gw, kZero) ? daddr : r->gw, ETA_ADDR_LEN);
    choose_source(*r, &out);
    const uint8_t* mac = neighbour(out.next_hop);
    if (mac) std::memcpy(out.dmac, mac, sizeof out.dmac);
    out.resolved = out.found && mac != nullptr;
    return out;
}

}  // namespace eta::fw
