// SPDX-License-Identifier: MIT
// Ethernet, IPv4, TCP: one function per header, checks before use.
#include "wire/parse.h"

#include "wire/checksum.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/tcp.h"

namespace eta::fw {

namespace {

// `len` bytes behind the IPv4 header, as its total length says.
ParseResult parse_tcp(const RxFrame& frame, const uint8_t* ip, const uint8_t* p, uint32_t len,
                      Segment* s)
{
    if (len < tcphdr::kHeaderLen) {
        return ParseResult::kBadLength;
    }
    const uint32_t header_len = tcphdr::header_len_of(p);
    if (header_len < tcphdr::kHeaderLen || header_len > len) {
        return ParseResult::kBadLength;
    }
    if (!frame.csum_valid &&
        checksum_fold(checksum_bytes(p, len, ip4::pseudo_sum(ip, len))) != 0xffff) {
        return ParseResult::kBadTcpChecksum;
    }
    std::memcpy(&s->tuple.rport, p, 2);
    std::memcpy(&s->tuple.lport, p + 2, 2);
    s->seq = load_be32(p + 4);
    s->ack = load_be32(p + 8);
    s->flags = p[13] & tcphdr::kFlagMask;
    s->wnd = load_be16(p + 14);
    if (!tcphdr::read_options(p + tcphdr::kHeaderLen, header_len - tcphdr::kHeaderLen, s)) {
        return ParseResult::kBadOptions;
    }
    s->payload.len = len - header_len;
    s->payload.count = s->payload.len != 0;
    s->payload.piece[0] = {p + header_len, s->payload.len};
    return ParseResult::kOk;
}

ParseResult parse_ip4(const RxFrame& frame, Segment* s)
{
    const uint8_t* ip = frame.data + eth::kHeaderLen;
    const uint32_t room = frame.len - eth::kHeaderLen;
    if (room < ip4::kHeaderLen) {
        return ParseResult::kRunt;
    }
    const uint32_t header_len = ip4::header_len_of(ip);
    const uint32_t total_len = ip4::total_len_of(ip);
    if (ip4::version_of(ip) != 4 || header_len < ip4::kHeaderLen || header_len > total_len ||
        total_len > room) {
        return ParseResult::kBadLength;  // bytes behind total_len are Ethernet padding
    }
    if (!ip4::checksum_ok(ip, header_len)) {
        return ParseResult::kBadIpChecksum;
    }
    if (ip4::proto_of(ip) != ip4::kProtoTcp || ip4::is_fragment(ip)) {
        return ParseResult::kNotOurs;
    }
    ip4::map_address(s->tuple.raddr, ip4::source_of(ip));
    ip4::map_address(s->tuple.laddr, ip4::destination_of(ip));
    s->ip_tos = ip[1];
    return parse_tcp(frame, ip, ip + header_len, total_len - header_len, s);
}

}  // namespace

ParseResult parse_frame(const RxFrame& frame, Segment* s)
{
    s->opts = 0;
    s->n_sack = 0;
    s->local = false;
    if (frame.len < eth::kHeaderLen) {
        return ParseResult::kRunt;
    }
    if (eth::type_of(frame.data) != eth::kTypeIpv4) {
        return ParseResult::kNotOurs;
    }
    std::memcpy(s->smac, frame.data + eth::kSourceOff, eth::kAddrLen);
    return parse_ip4(frame, s);
}

}  // namespace eta::fw
