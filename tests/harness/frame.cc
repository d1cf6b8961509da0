// SPDX-License-Identifier: MIT
// Test harness: see frame.h.
#include "harness/frame.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace eta::test {

namespace {

constexpr size_t kEth = 14, kIp = 20, kTcp = 20;

void add_options(const TcpFrame& t, Bytes& o) {
    auto u8 = [&](uint32_t v) { o.push_back(static_cast<uint8_t>(v)); };
    auto u32 = [&](uint32_t v) { u8(v >> 24), u8(v >> 16), u8(v >> 8), u8(v); };
    if (t.mss)
        u8(2), u8(4), u8(*t.mss >> 8), u8(*t.mss);
    if (t.sack_ok)
        u8(4), u8(2);
    if (t.ts)
        u8(8), u8(10), u32(t.ts->first), u32(t.ts->second);
    if (t.wscale)
        u8(3), u8(3), u8(*t.wscale);
    if (!t.sack.empty()) {
        u8(5), u8(static_cast<uint32_t>(2 + 8 * t.sack.size()));
        for (auto& [start, end] : t.sack)
            u32(start), u32(end);
    }
    while (o.size() % 4)
        u8(1);
}

bool read_options(const uint8_t* p, const uint8_t* end, TcpFrame& t) {
    while (p < end && *p != 0) {
        if (*p == 1) {
            p++;
            continue;
        }
        if (end - p < 2 || p[1] < 2 || p[1] > end - p)
            return false;
        switch (*p) {
            case 2:
                t.mss = get16(p + 2);
                break;
            case 3:
                t.wscale = p[2];
                break;
            case 4:
                t.sack_ok = true;
                break;
            case 8:
                t.ts = {get32(p + 2), get32(p + 6)};
                break;
            case 5:
                for (int i = 2; i + 8 <= p[1]; i += 8)
                    t.sack.emplace_back(get32(p + i), get32(p + i + 4));
                break;
            default:
                return false;
        }
        p += p[1];
    }
    return true;
}

std::nullopt_t bad(std::string* why, const char* what) {
    if (why)
        *why = what;
    return std::nullopt;
}

}  // namespace

uint16_t get16(const uint8_t* p) {
    return static_cast<uint16_t>(p[0] << 8 | p[1]);
}
uint32_t get32(const uint8_t* p) {
    return static_cast<uint32_t>(get16(p)) << 16 | get16(p + 2);
}
void put16(uint8_t* p, uint16_t v) {
    p[0] = static_cast<uint8_t>(v >> 8);
    p[1] = static_cast<uint8_t>(v);
}
void put32(uint8_t* p, uint32_t v) {
    put16(p, static_cast<uint16_t>(v >> 16));
    put16(p + 2, static_cast<uint16_t>(v));
}

uint16_t sum16(const uint8_t* data, size_t len, uint32_t start) {
    uint64_t sum = start;
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += get16(data + i);
    if (len & 1)
        sum += static_cast<uint32_t>(data[len - 1]) << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
}

uint16_t pseudo_sum(uint32_t saddr, uint32_t daddr, uint8_t proto, uint32_t len) {
    uint64_t sum =
        (saddr >> 16) + (saddr & 0xffff) + (daddr >> 16) + (daddr & 0xffff) + proto + len;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
}

Bytes encode_ip(const Mac& dmac, const Mac& smac, uint32_t saddr, uint32_t daddr, uint8_t proto,
                const Bytes& body) {
    Bytes f(kEth + kIp);
    std::copy(dmac.begin(), dmac.end(), f.begin());
    std::copy(smac.begin(), smac.end(), f.begin() + 6);
    put16(&f[12], kEtherIp);
    uint8_t* ip = &f[kEth];
    ip[0] = 0x45;
    put16(ip + 2, static_cast<uint16_t>(kIp + body.size()));
    put16(ip + 6, 0x4000);
    ip[8] = 64;
    ip[9] = proto;
    put32(ip + 12, saddr);
    put32(ip + 16, daddr);
    put16(ip + 10, static_cast<uint16_t>(~sum16(ip, kIp)));
    f.insert(f.end(), body.begin(), body.end());
    return f;
}

Bytes encode_arp_request(const Mac& smac, uint32_t saddr, uint32_t daddr) {
    Bytes f(60);
    std::fill(f.begin(), f.begin() + 6, 0xff);
    std::copy(smac.begin(), smac.end(), f.begin() + 6);
    put16(&f[12], kEtherArp);
    const uint8_t fixed[] = {0, 1, 8, 0, 6, 4, 0, 1};
    std::copy(fixed, fixed + 8, f.begin() + 14);
    std::copy(smac.begin(), smac.end(), f.begin() + 22);
    put32(&f[28], saddr);
    put32(&f[38], daddr);
    return f;
}

Bytes encode(const TcpFrame& t) {
    Bytes options;
    add_options(t, options);
    Bytes seg(kTcp);
    put16(&seg[0], t.sport);
    put16(&seg[2], t.dport);
    put32(&seg[4], t.seq);
    put32(&seg[8], t.ack);
    seg[12] = static_cast<uint8_t>((kTcp + options.size()) / 4 << 4);
    seg[13] = t.flags;
    put16(&seg[14], t.wnd);
    seg.insert(seg.end(), options.begin(), options.end());
    seg.insert(seg.end(), t.payload.begin(), t.payload.end());
    Bytes f = encode_ip(t.dmac, t.smac, t.saddr, t.daddr, kProtoTcp, seg);
    fix_checksums(f);
    return f;
}

void fix_checksums(Bytes& f) {
    uint8_t* ip = &f[kEth];
    size_t ihl = (ip[0] & 15u) * 4;
    put16(ip + 10, 0);
    put16(ip + 10, static_cast<uint16_t>(~sum16(ip, ihl)));
    uint8_t* tcp = ip + ihl;
    size_t len = get16(ip + 2) - ihl;
    put16(tcp + 16, 0);
    uint16_t ps = pseudo_sum(get32(ip + 12), get32(ip + 16), ip[9], static_cast<uint32_t>(len));
    put16(tcp + 16, static_cast<uint16_t>(~sum16(tcp, len, ps)));
}

std::optional<TcpFrame> decode(const Bytes& f, std::string* why) {
    if (f.size() < kEth + kIp + kTcp || get16(&f[12]) != kEtherIp)
        return bad(why, "not IPv4");
    const uint8_t* ip = &f[kEth];
    size_t total = get16(ip + 2);
    if (ip[0] != 0x45 || total + kEth > f.size() || total < kIp + kTcp || ip[9] != kProtoTcp)
        return bad(why, "not TCP over plain IPv4");
    if (sum16(ip, kIp) != 0xffff)
        return bad(why, "IP checksum");
    TcpFrame t;
    std::copy(f.begin(), f.begin() + 6, t.dmac.begin());
    std::copy(f.begin() + 6, f.begin() + 12, t.smac.begin());
    t.saddr = get32(ip + 12);
    t.daddr = get32(ip + 16);
    const uint8_t* tcp = ip + kIp;
    size_t len = total - kIp, doff = (tcp[12] >> 4) * 4u;
    if (doff < kTcp || doff > len)
        return bad(why, "TCP header length");
    uint16_t ps = pseudo_sum(t.saddr, t.daddr, kProtoTcp, static_cast<uint32_t>(len));
    if (sum16(tcp, len, ps) != 0xffff)
        return bad(why, "TCP checksum");
    t.sport = get16(tcp);
    t.dport = get16(tcp + 2);
    t.seq = get32(tcp + 4);
    t.ack = get32(tcp + 8);
    t.flags = tcp[13];
    t.wnd = get16(tcp + 14);
    if (!read_options(tcp + kTcp, tcp + doff, t))
        return bad(why, "TCP options");
    t.payload.assign(tcp + doff, tcp + len);
    return t;
}

std::string describe(const TcpFrame& t) {
    char buf[160];
    std::snprintf(buf, sizeof buf, "%u>%u %s%s%s%s%s seq=%u ack=%u wnd=%u len=%zu", t.sport,
                  t.dport, t.flags & kS ? "S" : "", t.flags & kF ? "F" : "",
                  t.flags & kR ? "R" : "", t.flags & kP ? "P" : "", t.flags & kA ? "." : "", t.seq,
                  t.ack, t.wnd, t.payload.size());
    std::string s = buf;
    if (t.mss)
        s += " mss=" + std::to_string(*t.mss);
    if (t.wscale)
        s += " wscale=" + std::to_string(*t.wscale);
    if (t.sack_ok)
        s += " sackOK";
    if (t.ts)
        s += " ts=" + std::to_string(t.ts->first) + "/" + std::to_string(t.ts->second);
    for (auto& [start, end] : t.sack)
        s += " sack=" + std::to_string(start) + "-" + std::to_string(end);
    return s;
}

}  // namespace eta::test
