// SPDX-License-Identifier: MIT
// Active open (RFC 9293 3.10.1): route, source address, ephemeral port (RFC 6056), initial
// sequence number. The SYN itself is tcp_output's. Not on the fast path: may divide.
#include <cerrno>

#include "control.h"
#include "tcp/internal.h"
#include "tcp/isn.h"
#include "tcp/tcp.h"
#include "wire/ip4.h"

namespace eta::fw {

namespace tcp {

namespace {

constexpr uint8_t kAnyAddress[ETA_ADDR_LEN] = {};
constexpr uint8_t kAnyV4[ETA_ADDR_LEN] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};

bool is_any(const uint8_t* addr)
{
    return std::memcmp(addr, kAnyAddress, ETA_ADDR_LEN) == 0 ||
           std::memcmp(addr, kAnyV4, ETA_ADDR_LEN) == 0;
}

// 0, or an errno. Fills in the addresses and the remote port.
int choose_addresses(Engine& e, eta_ctx& c, const eta_connect& args, const Route& route)
{
    std::memcpy(c.raddr, args.daddr, sizeof c.raddr);
    c.rport = args.dport;
    if (!is_any(args.saddr)) {
        std::memcpy(c.laddr, args.saddr, sizeof c.laddr);
        return e.mirror.is_local(args.saddr) ? 0 : EADDRNOTAVAIL;
    }
    std::memcpy(c.laddr, is_any(route.src) ? args.daddr : route.src, sizeof c.laddr);
    return is_any(route.src) && !route.local ? EADDRNOTAVAIL : 0;
}

// The 4-tuple may be used: free, or in TIME_WAIT long enough and with timestamps to tell old from
// new (RFC 6191).
bool tuple_free(Engine& e, const FourTuple& t, uint32_t hash, uint32_t* iss_floor)
{
    const uint32_t found = e.hash.lookup(t, hash);
    if (found == 0) {
        return true;
    }
    if ((found & ETA_HASH_TW) == 0) {
        return false;
    }
    eta_tw& tw = e.pool.tw[found & ~ETA_HASH_TW];
    const int32_t left_ms = time_wait_left_ms(tw, e.now_us);
    if (left_ms > 0) {
        if (tw.ts_recent == 0 || left_ms * 1000ll > int64_t{kTimeWaitUs - kTimeWaitReuseUs}) {
            return false;
        }
        *iss_floor = tw.snd_nxt + kMaxWindowField + 2;
        e.counters.bump(Counter::tcp_time_wait_reused);
    }
    e.tcp.time_wait.remove(e, tw);
    return true;
}

// RFC 6056 3.3.3: a keyed offset per destination, then the next free port. False: none.
bool choose_port(Engine& e, eta_ctx& c, uint32_t* iss_floor)
{
    FourTuple t = tuple_of(c);
    const uint32_t first = e.pool.hdr->eph_first;
    const uint32_t count = e.pool.hdr->eph_last - first + 1;
    uint32_t slot = (port_offset(e.isn_key, t) + e.tcp.next_port) % count;
    const bool self = std::memcmp(c.laddr, c.raddr, sizeof c.laddr) == 0;
    for (uint32_t i = 0; i < count; i++) {
        t.lport = __builtin_bswap16(static_cast<uint16_t>(first + slot));
        slot = slot + 1 == count ? 0 : slot + 1;
        e.tcp.next_port++;
        if (self && t.lport == t.rport) {
            continue;
        }
        const uint32_t hash = e.hash.tuple_hash(t);
        if (tuple_free(e, t, hash, iss_floor)) {
            c.lport = t.lport;
            c.hash = hash;
            return true;
        }
    }
    return false;
}

}  // namespace

bool resolve_next_hop(Engine& e, eta_ctx& c)
{
    const Route route = e.mirror.lookup(c.raddr);
    if (!route.found) {
        return false;
    }
    if (!route.resolved) {
        e.counters.bump(Counter::tcp_neighbour_wait);
        want_neighbour(e, route.next_hop);
        return false;
    }
    std::memcpy(c.dmac, route.dmac, sizeof c.dmac);
    c.flags &= ~ETA_CTX_F_NO_ROUTE;
    return true;
}

}  // namespace tcp

int tcp_connect(Engine& e, eta_ctx& c, const eta_connect& args)
{
    if (!ip4::is_mapped(args.daddr) || tcp::is_any(args.daddr) || args.dport == 0) {
        return ETA_ERR_USE_OS;
    }
    const Route route = e.mirror.lookup(args.daddr);
    if (!route.found) {
        return ETA_ERR_USE_OS;
    }
    if (!route.local && ip4::is_loopback(args.saddr)) {
        return ETA_ERR_USE_OS;
    }
    const int err = tcp::choose_addresses(e, c, args, route);
    if (err != 0) {
        return err;
    }
    uint32_t iss_floor = 0;
    if (!tcp::choose_port(e, c, &iss_floor)) {
        return EADDRNOTAVAIL;
    }
    if (!e.hash.insert(c.hash, e.index_of(c))) {
        e.counters.bump(Counter::tcp_hash_full);
        c.hash = 0;
        return ETA_ERR_USE_OS;
    }
    c.flags |= route.local ? ETA_CTX_F_LOCAL : ETA_CTX_F_NO_ROUTE;
    uint32_t iss = tcp::initial_sequence(e.isn_key, tcp::tuple_of(c), e.now_us);
    if (iss_floor != 0 && tcp::seq_lt(iss, iss_floor)) {
        iss = iss_floor;
    }
    tcp::init_connection(e, c, iss);
    c.state = ETA_TCP_SYN_SENT;
    e.touch(c);
    return 0;
}

}  // namespace eta::fw
