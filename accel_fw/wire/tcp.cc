// SPDX-License-Identifier: MIT
// TCP options in and out. Received ones come from anybody: every length is checked first.
#include "wire/tcp.h"

namespace eta::fw::tcphdr {

namespace {

void read_sack(const uint8_t* body, uint32_t body_len, Segment* s)
{
    for (uint32_t off = 0; off + 8 <= body_len && s->n_sack < 4; off += 8) {
        s->sack[s->n_sack++] = {load_be32(body + off), load_be32(body + off + 4)};
    }
}

uint8_t* put_ts(uint8_t* p, const Segment& s)
{
    p[0] = kOptNop;
    p[1] = kOptNop;
    p[2] = kOptKindTs;
    p[3] = 10;
    store_be32(p + 4, s.ts_val);
    store_be32(p + 8, s.ts_ecr);
    return p + kTsOptLen;
}

uint8_t* put_sack(uint8_t* p, const Segment& s)
{
    p[0] = kOptNop;
    p[1] = kOptNop;
    p[2] = kOptKindSack;
    p[3] = static_cast<uint8_t>(2 + 8 * s.n_sack);
    p += 4;
    for (uint32_t i = 0; i < s.n_sack; i++, p += 8) {
        store_be32(p, s.sack[i].start);
        store_be32(p + 4, s.sack[i].end);
    }
    return p;
}

uint8_t* put_syn_options(uint8_t* p, const Segment& s)
{
    if ((s.opts & kOptMss) != 0) {
        p[0] = kOptKindMss;
        p[1] = 4;
        store_be16(p + 2, s.mss);
        p += 4;
    }
    if ((s.opts & kOptWscale) != 0) {
        p[0] = kOptNop;
        p[1] = kOptKindWscale;
        p[2] = 3;
        p[3] = s.wscale;
        p += 4;
    }
    if ((s.opts & kOptSackPermitted) != 0) {
        p[0] = kOptNop;
        p[1] = kOptNop;
        p[2] = kOptKindSackPermitted;
        p[3] = 2;
        p += 4;
    }
    return p;
}

}  // namespace

bool read_option(uint8_t kind, const uint8_t* body, uint32_t body_len, Segment* s)
{
    switch (kind) {
    case kOptKindMss:
        if (body_len != 2) {
            return false;
        }
        s->mss = load_be16(body);
        s->opts |= kOptMss;
        return true;
    case kOptKindWscale:
        if (body_len != 1) {
            return false;
        }
        s->wscale = body[0] < kMaxWscale ? body[0] : kMaxWscale;
        s->opts |= kOptWscale;
        return true;
    case kOptKindSackPermitted:
        s->opts |= kOptSackPermitted;
        return body_len == 0;
    case kOptKindSack:
        read_sack(body, body_len, s);
        return body_len != 0 && body_len % 8 == 0;
    case kOptKindTs:
        if (body_len != 8) {
            return false;
        }
        s->ts_val = load_be32(body);
        s->ts_ecr = load_be32(body + 4);
        s->opts |= kOptTs;
        return true;
    default:
        return true;  // RFC 9293 3.1: unknown options are skipped by their length
    }
}

bool read_options(const uint8_t* p, uint32_t len, Segment* s)
{
    // The usual layout of a data segment: NOP NOP TS (RFC 7323 appendix A).
    if (len == kTsOptLen && load_be32(p) == 0x0101080au) {
        return read_option(kOptKindTs, p + 4, 8, s);
    }
    uint32_t at = 0;
    while (at < len && p[at] != kOptEnd) {
        if (p[at] == kOptNop) {
            at++;
            continue;
        }
        if (at + 1 >= len || p[at + 1] < 2 || p[at + 1] > len - at ||
            !read_option(p[at], p + at + 2, p[at + 1] - 2u, s)) {
            return false;
        }
        at += p[at + 1];
    }
    return true;
}

uint32_t write(uint8_t* p, const Segment& s)
{
    std::memcpy(p, &s.tuple.rport, 2);
    std::memcpy(p + 2, &s.tuple.lport, 2);
    store_be32(p + 4, s.seq);
    store_be32(p + 8, s.ack);
    p[13] = s.flags;
    store_be16(p + 14, s.wnd);
    std::memset(p + kChecksumOff, 0, 4);

    uint8_t* end = p + kHeaderLen;
    if ((s.flags & kSyn) != 0) {
        end = put_syn_options(end, s);
    }
    if ((s.opts & kOptTs) != 0) {
        end = put_ts(end, s);
    }
    if (s.n_sack != 0) {
        end = put_sack(end, s);
    }
    const uint32_t len = static_cast<uint32_t>(end - p);
    p[12] = static_cast<uint8_t>(len << 2);
    return len;
}

}  // namespace eta::fw::tcphdr
