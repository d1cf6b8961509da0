// SPDX-License-Identifier: MIT
// Default path between port and OS stack. See raw_path.h. Frames come from the wire: every length
// in them is checked before it is used.
#include "raw_path.h"

#include <cstring>

#include <eta/ring_ops.h>

#include "port/csum_copy.h"

namespace eta::fw {
namespace {

constexpr uint32_t kEthBytes = 14;
constexpr uint32_t kSlotMax = ETA_RAW_FRAME - sizeof(eta_raw);
constexpr uint8_t kProtoTcp = 6;
constexpr uint8_t kProtoUdp = 17;
constexpr uint8_t kFinPsh = 0x09;
constexpr uint8_t kCwr = 0x80;
constexpr uint32_t kHeadBytes = 64;

uint16_t get16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
uint32_t get32(const uint8_t* p) { return static_cast<uint32_t>(get16(p)) << 16 | get16(p + 2); }

void put16(uint8_t* p, uint32_t v)
{
    p[0] = static_cast<uint8_t>(v >> 8);
    p[1] = static_cast<uint8_t>(v);
}

void put32(uint8_t* p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

// Where things lie in a frame of TCP or UDP over IPv4 or IPv6 without extension headers.
struct Layout {
    bool ipv6 = false;
    uint8_t proto = 0;
    uint32_t l4 = 0;       // offset of the transport header
    uint32_t payload = 0;  // offset of its payload
    uint32_t end = 0;      // end of the IP packet; padding follows
};

bool find_ip(const uint8_t* f, uint32_t len, Layout* l)
{
    const uint8_t* ip = f + kEthBytes;
    if (len >= kEthBytes + 20 && get16(f + 12) == 0x0800) {
        uint32_t ihl = (ip[0] & 15) * 4u;
        bool fragment = (get16(ip + 6) & 0x3fff) != 0;
        l->proto = ip[9];
        l->l4 = kEthBytes + ihl;
        l->end = kEthBytes + get16(ip + 2);
        return ip[0] >> 4 == 4 && ihl >= 20 && !fragment;
    }
    if (len >= kEthBytes + 40 && get16(f + 12) == 0x86dd) {
        l->ipv6 = true;
        l->proto = ip[6];
        l->l4 = kEthBytes + 40;
        l->end = l->l4 + get16(ip + 4);
        return true;
    }
    return false;
}

bool find_transport(const uint8_t* f, uint32_t len, Layout* l)
{
    if (!find_ip(f, len, l) || l->end > len) return false;
    if (l->proto == kProtoUdp) {
        l->payload = l->l4 + 8;
        return l->payload <= l->end;
    }
    if (l->proto != kProtoTcp || l->l4 + 20 > l->end) return false;
    l->payload = l->l4 + (f[l->l4 + 12] >> 4) * 4u;
    return l->payload >= l->l4 + 20 && l->payload <= l->end;
}

// Transport checksum over pseudo-header, header and payload (RFC 9293 3.1, RFC 8200 8.1).
void finish_transport(uint8_t* f, const Layout& l)
{
    uint8_t* field = f + l.l4 + (l.proto == kProtoTcp ? 16 : 6);
    uint16_t was;
    std::memcpy(&was, field, sizeof was);
    if (l.proto == kProtoUdp && was == 0) return;  // the sender uses none
    uint32_t len = l.end - l.l4;
    uint8_t tail[8] = {};
    put32(tail, len);
    tail[7] = l.proto;
    CsumCopy sum;
    sum.add(nullptr, f + kEthBytes + (l.ipv6 ? 8 : 12), l.ipv6 ? 32 : 8);
    sum.add(nullptr, tail, sizeof tail);
    std::memset(field, 0, 2);
    sum.add(nullptr, f + l.l4, len);
    uint16_t now = sum.finish();
    if (now == 0 && l.proto == kProtoUdp) now = 0xffff;
    std::memcpy(field, &now, sizeof now);
}

void finish_ipv4(uint8_t* f, const Layout& l)
{
    CsumCopy sum;
    std::memset(f + kEthBytes + 10, 0, 2);
    sum.add(nullptr, f + kEthBytes, l.l4 - kEthBytes);
    uint16_t now = sum.finish();
    std::memcpy(f + kEthBytes + 10, &now, sizeof now);
}

// The next free slot, or null if the OS does not keep up.
uint8_t* next_slot(Engine& e)
{
    eta_proc* p = e.pool.proc;
    if (eta_ring_room(p->raw_rx_prod, &p->raw_rx_cons, ETA_RAW_DEPTH) == 0) {
        e.counters.bump(Counter::raw_to_os_full);
        return nullptr;
    }
    return e.pool.raw_rx + uint64_t{p->raw_rx_prod & (ETA_RAW_DEPTH - 1)} * ETA_RAW_FRAME;
}

void publish_slot(Engine& e, uint8_t* slot, uint32_t len)
{
    eta_raw head = {len, 0};
    std::memcpy(slot, &head, sizeof head);
    eta_ring_publish(&e.pool.proc->raw_rx_prod, e.pool.proc->raw_rx_prod + 1);
    e.counters.bump(Counter::raw_to_os);
}

// Part of the payload of a large TCP segment.
struct Cut {
    uint32_t index;
    uint32_t off;
    uint32_t len;
};

void cut_segment(uint8_t* to, const uint8_t* from, Layout l, const Cut& cut)
{
    bool last = l.payload + cut.off + cut.len == l.end;
    std::memcpy(to, from, l.payload);
    std::memcpy(to + l.payload, from + l.payload + cut.off, cut.len);
    l.end = l.payload + cut.len;
    uint8_t* ip = to + kEthBytes;
    uint8_t* tcp = to + l.l4;
    put32(tcp + 4, get32(tcp + 4) + cut.off);
    if (!last) tcp[13] &= static_cast<uint8_t>(~kFinPsh);
    if (cut.index != 0) tcp[13] &= static_cast<uint8_t>(~kCwr);  // RFC 3168 6.1.2
    if (l.ipv6) {
        put16(ip + 4, l.end - l.l4);
    } else {
        put16(ip + 2, l.end - kEthBytes);
        put16(ip + 4, get16(ip + 4) + cut.index);
        finish_ipv4(to, l);
    }
    finish_transport(to, l);
}

void segments_to_os(Engine& e, const RxFrame& frame, const Layout& l)
{
    uint32_t packet =
        e.port->caps().mtu < kSlotMax - kEthBytes ? e.port->caps().mtu : kSlotMax - kEthBytes;
    uint32_t headers = l.payload - kEthBytes;
    uint32_t step = packet > headers ? packet - headers : 0;
    uint32_t total = l.end - l.payload;
    Cut cut = {};
    while (step != 0 && cut.off < total) {
        uint8_t* slot = next_slot(e);
        if (!slot) return;
        cut.len = total - cut.off < step ? total - cut.off : step;
        cut_segment(slot + sizeof(eta_raw), frame.data, l, cut);
        publish_slot(e, slot, l.payload + cut.len);
        cut.off += cut.len;
        cut.index++;
    }
}

}  // namespace

void raw_path_to_os(Engine& e, const RxFrame& frame)
{
    Layout l;
    bool known = find_transport(frame.data, frame.len, &l);
    if (frame.len > kSlotMax) {
        if (known && l.proto == kProtoTcp) segments_to_os(e, frame, l);
        else e.counters.bump(Counter::raw_to_os_long);
        return;
    }
    uint8_t* slot = next_slot(e);
    if (!slot) return;
    uint8_t* to = slot + sizeof(eta_raw);
    std::memcpy(to, frame.data, frame.len);
    if (frame.csum_valid && known) finish_transport(to, l);
    publish_slot(e, slot, frame.len);
}

namespace {

// A reset by the OS stack for a connection of ours: it saw segments that reached it while no
// accelerator held the port, and knows nothing of the connection.
bool resets_ours(const Engine& e, const uint8_t* f, uint32_t len)
{
    Layout l;
    if (!find_transport(f, len, &l) || l.proto != kProtoTcp || l.ipv6) return false;
    if ((f[l.l4 + 13] & kRst) == 0) return false;
    FourTuple t = {};
    t.laddr[10] = t.laddr[11] = t.raddr[10] = t.raddr[11] = 0xff;
    std::memcpy(t.laddr + 12, f + kEthBytes + 12, 4);
    std::memcpy(t.raddr + 12, f + kEthBytes + 16, 4);
    std::memcpy(&t.lport, f + l.l4, 2);
    std::memcpy(&t.rport, f + l.l4 + 2, 2);
    return e.hash.lookup(t, e.hash.tuple_hash(t)) != 0;
}

// False: the port is full.
bool send_slot(Engine& e, const uint8_t* slot)
{
    eta_raw raw;
    std::memcpy(&raw, slot, sizeof raw);
    if (raw.len < kEthBytes || raw.len > kSlotMax) {
        e.counters.bump(Counter::raw_from_os_bad);
        return true;
    }
    if (resets_ours(e, slot + sizeof raw, raw.len)) {
        e.counters.bump(Counter::raw_from_os_rst);
        return true;
    }
    TxFrame f;
    f.head_len = raw.len < kHeadBytes ? raw.len : kHeadBytes;
    f.head = e.port->tx_reserve(f.head_len);
    if (!f.head) {
        e.counters.bump(Counter::raw_from_os_wait);
        return false;
    }
    const uint8_t* data = slot + sizeof raw;
    std::memcpy(f.head, data, f.head_len);
    if (raw.len > f.head_len) {
        f.payload.len = raw.len - f.head_len;
        f.payload.count = 1;
        f.payload.piece[0] = {data + f.head_len, f.payload.len};
    }
    e.port->tx_commit(f);
    e.counters.bump(Counter::raw_from_os);
    e.counters.bump(Counter::port_tx_frames);
    return true;
}

}  // namespace

uint32_t raw_path_from_os(Engine& e, uint32_t budget)
{
    eta_proc* p = e.pool.proc;
    const uint32_t cons = p->raw_tx_cons;
    uint32_t ready = eta_ring_ready(&p->raw_tx_prod, cons);
    if (ready == 0) return 0;
    if (ready > ETA_RAW_DEPTH) {  // an agent gone mad: start afresh behind it
        e.counters.bump(Counter::raw_from_os_bad);
        eta_ring_release(&p->raw_tx_cons, cons + ready);
        return 0;
    }
    uint32_t n = 0;
    while (n < ready && n < budget) {
        const uint32_t slot = (cons + n) & (ETA_RAW_DEPTH - 1);
        if (!send_slot(e, e.pool.raw_tx + uint64_t{slot} * ETA_RAW_FRAME)) break;
        n++;
    }
    if (n != 0) {
        e.port->flush();  // the port may point into the slots until then
        eta_ring_release(&p->raw_tx_cons, cons + n);
    }
    return n;
}

}  // namespace eta::fw
