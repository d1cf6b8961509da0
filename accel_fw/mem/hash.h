// SPDX-License-Identifier: MIT
// The context hash (E20): 4-tuple -> context index or TIME_WAIT entry. Buckets of one cache line,
// two candidate buckets for each hash, so that at a quarter load an insertion does not fail in
// practice; when it does, the caller counts it and the OS stack serves the connection.
// Lives in the pool, can be rebuilt from the contexts. One thread.
#pragma once

#include <cstdint>
#include <cstring>

#include "mem/pool.h"
#include "segment.h"

namespace eta::fw {

class ContextHash {
public:
    // `key` makes bucket collisions unpredictable to peers.
    ContextHash(Pool& pool, uint64_t key)
        : pool_(pool), mask_(pool.hdr->n_buckets - 1), key_(key)
    {
    }

    // Symmetric: both directions of a connection hash alike (N2).
    uint32_t tuple_hash(const FourTuple& t) const
    {
        uint64_t h = half(t.laddr, t.lport) + half(t.raddr, t.rport);
        h ^= h >> 32;
        h *= 0x9fb21c651e98df25u;
        return static_cast<uint32_t>(h >> 32) | 1;  // never 0
    }

    void prefetch(uint32_t hash) const
    {
        __builtin_prefetch(&pool_.buckets[first(hash)]);
        __builtin_prefetch(&pool_.buckets[second(hash)]);
    }

    // Context index, ETA_HASH_TW | index, or 0.
    uint32_t lookup(const FourTuple& t, uint32_t hash) const
    {
        uint32_t v = lookup_in(pool_.buckets[first(hash)], t, hash);
        return v != 0 ? v : lookup_in(pool_.buckets[second(hash)], t, hash);
    }

    // False: both buckets are full.
    [[nodiscard]] bool insert(uint32_t hash, uint32_t value)
    {
        eta_bucket& a = pool_.buckets[first(hash)];
        eta_bucket& b = pool_.buckets[second(hash)];
        eta_bucket& target = used(a) <= used(b) ? a : b;
        for (uint32_t i = 0; i < ETA_HASH_WAYS; i++) {
            if (target.value[i] == 0) {
                target.tag[i] = hash;
                target.value[i] = value;
                return true;
            }
        }
        return false;
    }

    void remove(uint32_t hash, uint32_t value)
    {
        if (!remove_in(pool_.buckets[first(hash)], value)) {
            remove_in(pool_.buckets[second(hash)], value);
        }
    }

    void clear()
    {
        std::memset(pool_.buckets, 0, (uint64_t{mask_} + 1) * sizeof(eta_bucket));
    }

private:
    uint64_t half(const uint8_t* addr, uint16_t port) const
    {
        uint64_t hi, lo;
        std::memcpy(&hi, addr, 8);
        std::memcpy(&lo, addr + 8, 8);
        uint64_t h = (hi ^ key_) * 0x9e3779b97f4a7c15u;
        h ^= lo + port * 0xd6e8feb86659fd93u;
        h ^= h >> 29;
        h *= 0xbf58476d1ce4e5b9u;
        return h ^ (h >> 32);
    }

    uint32_t first(uint32_t hash) const { return hash & mask_; }
    uint32_t second(uint32_t hash) const { return ((hash * 0x9e3779b1u) >> 7) & mask_; }

    static uint32_t used(const eta_bucket& b)
    {
        uint32_t n = 0;
        for (uint32_t v : b.value) {
            n += v != 0;
        }
        return n;
    }

    bool matches(uint32_t value, const FourTuple& t) const
    {
        // Both structs begin with the 4-tuple in the layout of FourTuple (asserted in hash.cc).
        const void* p = (value & ETA_HASH_TW)
                            ? static_cast<const void*>(pool_.tw[value & ~ETA_HASH_TW].laddr)
                            : static_cast<const void*>(pool_.ctx[value].laddr);
        return std::memcmp(p, &t, sizeof t) == 0;
    }

    uint32_t lookup_in(const eta_bucket& b, const FourTuple& t, uint32_t hash) const
    {
        for (uint32_t i = 0; i < ETA_HASH_WAYS; i++) {
            if (b.tag[i] == hash && b.value[i] != 0 && matches(b.value[i], t)) {
                return b.value[i];
            }
        }
        return 0;
    }

    static bool remove_in(eta_bucket& b, uint32_t value)
    {
        for (uint32_t& v : b.value) {
            if (v == value) {
                v = 0;
                return true;
            }
        }
        return false;
    }

    Pool& pool_;
    uint32_t mask_;
    uint64_t key_;
};

}  // namespace eta::fw
