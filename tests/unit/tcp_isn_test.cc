// SPDX-License-Identifier: MIT
// Numbers a stranger must not guess (RFC 6528, 6056), and the hash of the 4-tuple.
#include <catch2/catch.hpp>

#include <cstring>
#include <memory>
#include <set>

#include "mem/hash.h"
#include "tcp/isn.h"

using namespace eta::fw;

namespace {

constexpr uint64_t kKey[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

FourTuple tuple(uint8_t host, uint16_t lport, uint16_t rport)
{
    FourTuple t = {};
    t.laddr[10] = t.laddr[11] = t.raddr[10] = t.raddr[11] = 0xff;
    t.laddr[12] = t.raddr[12] = 10;
    t.laddr[15] = 1;
    t.raddr[15] = host;
    t.lport = __builtin_bswap16(lport);
    t.rport = __builtin_bswap16(rport);
    return t;
}

FourTuple other_end(const FourTuple& t)
{
    FourTuple r;
    std::memcpy(r.laddr, t.raddr, sizeof r.laddr);
    std::memcpy(r.raddr, t.laddr, sizeof r.raddr);
    r.lport = t.rport;
    r.rport = t.lport;
    return r;
}

}  // namespace

TEST_CASE("tcp isn: SipHash-2-4 gives the vectors of its authors")
{
    uint8_t data[64];
    for (uint32_t i = 0; i < sizeof data; i++) {
        data[i] = static_cast<uint8_t>(i);
    }
    CHECK(tcp::siphash(kKey, data, 0) == 0x726fdb47dd0e0e31u);
    CHECK(tcp::siphash(kKey, data, 1) == 0x74f839c593dc67fdu);
    CHECK(tcp::siphash(kKey, data, 8) == 0x93f5f5799a932462u);
    CHECK(tcp::siphash(kKey, data, 15) == 0xa129ca6149be45e5u);
}

TEST_CASE("tcp isn: grows by one every 4 microseconds and differs between tuples")
{
    const FourTuple t = tuple(2, 80, 40000);
    const uint32_t first = tcp::initial_sequence(kKey, t, 1000);
    CHECK(tcp::initial_sequence(kKey, t, 1000 + 4'000'000) - first == 1'000'000);
    std::set<uint32_t> seen;
    for (uint16_t p = 0; p < 1000; p++) {
        seen.insert(tcp::initial_sequence(kKey, tuple(2, 80, p), 1000));
    }
    CHECK(seen.size() == 1000);
    const uint64_t other_key[2] = {kKey[0] + 1, kKey[1]};
    CHECK(tcp::initial_sequence(other_key, t, 1000) != first);
}

TEST_CASE("tcp isn: timestamp offset depends on the hosts, port offset not on the own port")
{
    CHECK(tcp::timestamp_offset(kKey, tuple(2, 80, 1)) ==
          tcp::timestamp_offset(kKey, tuple(2, 81, 2)));
    CHECK(tcp::timestamp_offset(kKey, tuple(2, 80, 1)) !=
          tcp::timestamp_offset(kKey, tuple(3, 80, 1)));
    CHECK(tcp::port_offset(kKey, tuple(2, 1, 80)) == tcp::port_offset(kKey, tuple(2, 2, 80)));
    CHECK(tcp::port_offset(kKey, tuple(2, 1, 80)) != tcp::port_offset(kKey, tuple(2, 1, 81)));
}

TEST_CASE("tcp hash: both directions hash alike, tuples spread evenly")
{
    eta_pool_hdr hdr = {};
    hdr.n_buckets = 1024;
    alignas(Pool) unsigned char raw[sizeof(Pool)] = {};
    Pool& pool = *reinterpret_cast<Pool*>(raw);
    pool.hdr = &hdr;
    const ContextHash hash(pool, 0x1234567890abcdefu);
    std::set<uint32_t> seen;
    uint32_t load[64] = {};
    for (uint16_t p = 0; p < 20000; p++) {
        const FourTuple t = tuple(2, 80, p);
        const uint32_t h = hash.tuple_hash(t);
        REQUIRE(h == hash.tuple_hash(other_end(t)));
        seen.insert(h);
        load[(h >> 1) & 63]++;
    }
    CHECK(seen.size() > 19990);
    for (uint32_t n : load) {
        CHECK(n > 200);
        CHECK(n < 430);
    }
}
