// SPDX-License-Identifier: MIT
// Burst passes: parse, prefetch buckets, look up, prefetch contexts, process in order of arrival.
#include "demux.h"

#include <cstring>

#include "raw_path.h"
#include "tcp/tcp.h"
#include "wire/parse.h"

namespace eta::fw {

namespace {

// Counts a frame that is not TCP over IPv4 in good order. True: the OS stack should see it.
bool refuse(Engine& e, ParseResult result)
{
    switch (result) {
    case ParseResult::kOk:
    case ParseResult::kNotOurs:
        return true;
    case ParseResult::kRunt:
        e.counters.bump(Counter::rx_runt);
        return false;
    case ParseResult::kBadIpChecksum:
        e.counters.bump(Counter::rx_bad_ip_checksum);
        return false;
    case ParseResult::kBadLength:
        e.counters.bump(Counter::rx_bad_length);
        return false;
    case ParseResult::kBadTcpChecksum:
        e.counters.bump(Counter::rx_bad_tcp_checksum);
        return false;
    case ParseResult::kBadOptions:
        e.counters.bump(Counter::rx_bad_options);
        return false;
    }
    return false;
}

// Own and loopback addresses do not arrive over a wire (RFC 1122 3.2.1.3, RFC 1812 5.3.7).
bool martian(const Engine& e, const Segment& s)
{
    constexpr uint8_t kMapped127[13] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
    return e.mirror.is_local(s.tuple.raddr) ||
           std::memcmp(s.tuple.laddr, kMapped127, sizeof kMapped127) == 0;
}

}  // namespace

uint32_t Demux::from_port(Engine& e)
{
    RxFrame frames[kBurst];
    const uint32_t n = e.port->rx_burst(frames, kBurst);
    if (n == 0) {
        return 0;
    }
    e.counters.add(Counter::port_rx_frames, n);
    process(e, parse(e, frames, n));
    e.port->rx_release();
    e.counters.set(Counter::port_dropped, e.port->dropped());
    return n;
}

uint32_t Demux::from_local(Engine& e)
{
    const uint32_t ready = e.local.ready();
    const uint32_t n = ready < kBurst ? ready : kBurst;
    if (n == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        Segment& s = e.local.peek(i);
        e.hash.prefetch(s.hash);
        items_[i] = {&s, nullptr, 0};
    }
    e.counters.add(Counter::local_segments, n);
    process(e, n);
    e.local.release(n);
    return n;
}

uint32_t Demux::parse(Engine& e, const RxFrame* frames, uint32_t n)
{
    uint32_t good = 0;
    for (uint32_t i = 0; i < n; i++) {
        Segment& s = parsed_[good];
        const ParseResult result = parse_frame(frames[i], &s);
        const bool to_us = result == ParseResult::kOk && e.mirror.is_local(s.tuple.laddr);
        if (to_us && martian(e, s)) {
            e.counters.bump(Counter::rx_martian);
        } else if (to_us) {
            s.hash = e.hash.tuple_hash(s.tuple);
            e.hash.prefetch(s.hash);
            items_[good++] = {&s, &frames[i], 0};
        } else if (refuse(e, result)) {
            raw_path_to_os(e, frames[i]);
        }
    }
    return good;
}

void Demux::process(Engine& e, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        Item& item = items_[i];
        item.found = e.hash.lookup(item.segment->tuple, item.segment->hash);
        if (item.found != 0 && (item.found & ETA_HASH_TW) == 0) {
            const char* c = reinterpret_cast<const char*>(&e.ctx(item.found));
            __builtin_prefetch(c);
            __builtin_prefetch(c + ETA_CACHELINE);
            __builtin_prefetch(c + 2 * ETA_CACHELINE);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        input(e, items_[i]);
    }
}

void Demux::input(Engine& e, const Item& item)
{
    Segment& s = *item.segment;
    // An earlier segment of the burst may have opened, closed or moved this connection.
    uint32_t found = item.found;
    const bool connection = found != 0 && (found & ETA_HASH_TW) == 0;
    if (!connection || e.ctx(found).hash == 0 ||
        std::memcmp(e.ctx(found).laddr, &s.tuple, sizeof s.tuple) != 0) {
        found = e.hash.lookup(s.tuple, s.hash);
    }
    eta_ctx* c = nullptr;
    eta_tw* tw = nullptr;
    if ((found & ETA_HASH_TW) != 0) {
        tw = &e.pool.tw[found & ~ETA_HASH_TW];
    } else if (found != 0) {
        c = &e.ctx(found);
    }
    if (tcp_input(e, s, c, tw) == Verdict::kToOs && item.frame != nullptr) {
        raw_path_to_os(e, *item.frame);
    }
}

}  // namespace eta::fw
