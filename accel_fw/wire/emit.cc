// SPDX-License-Identifier: MIT
// Headers of a segment to send. The tuple is the receiver's view: its remote end is the source.
#include "wire/emit.h"

#include "wire/checksum.h"

namespace eta::fw {

uint32_t head_len_of(const Segment& s)
{
    uint32_t len = eth::kHeaderLen + ip4::kHeaderLen + tcphdr::kHeaderLen;
    len += (s.opts & kOptTs) != 0 ? tcphdr::kTsOptLen : 0;
    len += s.n_sack != 0 ? 4 + 8u * s.n_sack : 0;
    if ((s.flags & kSyn) != 0) {
        len += (s.opts & kOptMss) != 0 ? 4 : 0;
        len += (s.opts & kOptWscale) != 0 ? 4 : 0;
        len += (s.opts & kOptSackPermitted) != 0 ? 4 : 0;
    }
    return len;
}

void write_head(const Segment& s, const uint8_t* dmac, const PortCaps& caps, TxFrame* frame)
{
    uint8_t* ip = frame->head + eth::kHeaderLen;
    uint8_t* tcp = ip + ip4::kHeaderLen;
    const uint32_t header_len = tcphdr::write(tcp, s);
    const uint32_t tcp_len = header_len + s.payload.len;

    eth::write(frame->head, dmac, caps.mac, eth::kTypeIpv4);
    ip4::write(ip, s.tuple.raddr, s.tuple.laddr, ip4::kHeaderLen + tcp_len);
    frame->head_len = eth::kHeaderLen + ip4::kHeaderLen + header_len;
    frame->payload = s.payload;

    uint64_t sum = ip4::pseudo_sum(ip, tcp_len);
    uint16_t field;
    if (caps.csum_offload) {
        frame->csum_start = eth::kHeaderLen + ip4::kHeaderLen;
        frame->csum_offset = tcphdr::kChecksumOff;
        field = checksum_fold(sum);
    } else {
        frame->csum_start = 0;
        sum = checksum_bytes(tcp, header_len, sum);
        field = checksum_finish(checksum_payload(s.payload, sum));
    }
    std::memcpy(tcp + tcphdr::kChecksumOff, &field, sizeof field);
}

}  // namespace eta::fw
