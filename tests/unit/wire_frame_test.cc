// SPDX-License-Identifier: MIT
// Frames in and out: a segment survives emit and parse, and every way in which a frame can be
// wrong has its own result.
#include <catch2/catch.hpp>

#include <cstring>
#include <string>
#include <vector>

#include "wire/emit.h"
#include "wire/parse.h"

using namespace eta::fw;

namespace {

constexpr uint8_t kSrcMac[6] = {2, 0, 0, 0, 0, 1};
constexpr uint8_t kDstMac[6] = {2, 0, 0, 0, 0, 2};
constexpr uint32_t kIp = 14;
constexpr uint32_t kTcp = 34;

FourTuple tuple()
{
    const uint8_t local[4] = {10, 77, 0, 1}, remote[4] = {10, 77, 0, 2};
    FourTuple t;
    ip4::map_address(t.laddr, local);
    ip4::map_address(t.raddr, remote);
    t.lport = __builtin_bswap16(80);
    t.rport = __builtin_bswap16(40000);
    return t;
}

Segment data_segment(const std::string& text)
{
    Segment s;
    s.tuple = tuple();
    s.seq = 0xfffffff0;
    s.ack = 0x01020304;
    s.wnd = 4096;
    s.flags = kAck | kPsh;
    s.payload.len = static_cast<uint32_t>(text.size());
    s.payload.count = text.empty() ? 0 : 1;
    s.payload.piece[0] = {reinterpret_cast<const uint8_t*>(text.data()), s.payload.len};
    return s;
}

std::vector<uint8_t> frame_of(const Segment& s, bool offload = false)
{
    PortCaps caps;
    std::memcpy(caps.mac, kSrcMac, 6);
    caps.csum_offload = offload;
    std::vector<uint8_t> bytes(head_len_of(s));
    TxFrame frame;
    frame.head = bytes.data();
    write_head(s, kDstMac, caps, &frame);
    REQUIRE(frame.head_len == bytes.size());
    CHECK(frame.csum_start == (offload ? kTcp : 0));
    for (uint32_t i = 0; i < s.payload.count; i++) {
        const Piece& p = s.payload.piece[i];
        bytes.insert(bytes.end(), p.data, p.data + p.len);
    }
    return bytes;
}

ParseResult parse(std::vector<uint8_t>& bytes, Segment* s, bool csum_valid = false)
{
    return parse_frame(RxFrame{bytes.data(), static_cast<uint32_t>(bytes.size()), csum_valid}, s);
}

void fix_ip(std::vector<uint8_t>& f)
{
    const uint32_t len = ip4::header_len_of(&f[kIp]);
    f[kIp + 10] = f[kIp + 11] = 0;
    const uint16_t sum = checksum_finish(checksum_bytes(&f[kIp], len, 0));
    std::memcpy(&f[kIp + 10], &sum, 2);
}

void fix_tcp(std::vector<uint8_t>& f)
{
    const uint32_t len = static_cast<uint32_t>(f.size()) - kTcp;
    f[kTcp + 16] = f[kTcp + 17] = 0;
    const uint16_t sum =
        checksum_finish(checksum_bytes(&f[kTcp], len, ip4::pseudo_sum(&f[kIp], len)));
    std::memcpy(&f[kTcp + 16], &sum, 2);
}

}  // namespace

TEST_CASE("wire frame: a data segment survives emit and parse")
{
    const std::string text = "the quick brown fox jumps";
    Segment out = data_segment(text);
    out.opts = kOptTs;
    out.ts_val = 0x11223344;
    out.ts_ecr = 0x55667788;
    std::vector<uint8_t> f = frame_of(out);
    Segment in;
    REQUIRE(parse(f, &in) == ParseResult::kOk);
    // The tuple is each receiver's own view, and so is the same here.
    CHECK(in.tuple == out.tuple);
    CHECK(in.seq == out.seq);
    CHECK(in.ack == out.ack);
    CHECK(in.wnd == out.wnd);
    CHECK(in.flags == out.flags);
    CHECK(in.opts == kOptTs);
    CHECK(in.ts_val == out.ts_val);
    CHECK(in.ts_ecr == out.ts_ecr);
    CHECK_FALSE(in.local);
    REQUIRE(in.payload.len == text.size());
    CHECK(std::memcmp(in.payload.piece[0].data, text.data(), text.size()) == 0);
    CHECK(std::memcmp(f.data(), kDstMac, 6) == 0);
    CHECK(std::memcmp(in.smac, kSrcMac, 6) == 0);
}

TEST_CASE("wire frame: all options of a SYN survive")
{
    Segment out = data_segment("");
    out.flags = kSyn;
    out.opts = kOptMss | kOptWscale | kOptTs | kOptSackPermitted;
    out.mss = 1460;
    out.wscale = 7;
    out.ts_val = 9;
    std::vector<uint8_t> f = frame_of(out);
    Segment in;
    REQUIRE(parse(f, &in) == ParseResult::kOk);
    CHECK(in.opts == out.opts);
    CHECK(in.mss == 1460);
    CHECK(in.wscale == 7);
    CHECK(in.seq_len() == 1);
}

TEST_CASE("wire frame: SACK blocks survive, beside timestamps")
{
    Segment out = data_segment("");
    out.opts = kOptTs;
    for (uint32_t i = 0; i < 3; i++) {
        out.sack[out.n_sack++] = {i * 1000 + 1, i * 1000 + 501};
    }
    std::vector<uint8_t> f = frame_of(out);
    Segment in;
    REQUIRE(parse(f, &in) == ParseResult::kOk);
    REQUIRE(in.n_sack == 3);
    CHECK(in.sack[2].start == 2001);
    CHECK(in.sack[2].end == 2501);
}

TEST_CASE("wire frame: payload in pieces has the right checksum")
{
    const std::string a = "odd", b = "x", c = "another piece";
    Segment out = data_segment(a);
    for (const std::string* s : {&b, &c}) {
        out.payload.piece[out.payload.count++] = {
            reinterpret_cast<const uint8_t*>(s->data()), static_cast<uint32_t>(s->size())};
        out.payload.len += static_cast<uint32_t>(s->size());
    }
    std::vector<uint8_t> f = frame_of(out);
    Segment in;
    CHECK(parse(f, &in) == ParseResult::kOk);
    CHECK(in.payload.len == 17);
}

TEST_CASE("wire frame: with checksum offload the field holds the pseudo-header sum")
{
    std::vector<uint8_t> f = frame_of(data_segment("hello"), true);
    Segment in;
    CHECK(parse(f, &in) == ParseResult::kBadTcpChecksum);
    CHECK(parse(f, &in, true) == ParseResult::kOk);
    // What the wire does to finish it: sum over the TCP header and data, field included.
    const uint32_t len = static_cast<uint32_t>(f.size()) - kTcp;
    const uint16_t sum = checksum_finish(checksum_bytes(&f[kTcp], len, 0));
    std::memcpy(&f[kTcp + 16], &sum, 2);
    CHECK(parse(f, &in) == ParseResult::kOk);
}

TEST_CASE("wire frame: padding behind the packet is not payload")
{
    std::vector<uint8_t> f = frame_of(data_segment("ab"));
    f.resize(f.size() + 11, 0x55);
    Segment in;
    REQUIRE(parse(f, &in) == ParseResult::kOk);
    CHECK(in.payload.len == 2);
}

TEST_CASE("wire frame: what is not TCP over IPv4 belongs to others")
{
    Segment in;
    std::vector<uint8_t> arp = frame_of(data_segment("x"));
    arp[13] = 0x06;
    CHECK(parse(arp, &in) == ParseResult::kNotOurs);
    std::vector<uint8_t> udp = frame_of(data_segment("x"));
    udp[kIp + 9] = 17;
    fix_ip(udp);
    CHECK(parse(udp, &in) == ParseResult::kNotOurs);
    for (uint8_t bits : {0x20, 0x01}) {  // more fragments; an offset
        std::vector<uint8_t> fragment = frame_of(data_segment("x"));
        fragment[kIp + 6] = bits;
        fix_ip(fragment);
        CHECK(parse(fragment, &in) == ParseResult::kNotOurs);
    }
}

TEST_CASE("wire frame: runts and wrong lengths are told apart")
{
    Segment in;
    const std::vector<uint8_t> good = frame_of(data_segment("payload"));
    for (uint32_t n = 0; n < good.size(); n++) {
        std::vector<uint8_t> f(good.begin(), good.begin() + n);
        const ParseResult want = n < kTcp ? ParseResult::kRunt : ParseResult::kBadLength;
        REQUIRE(parse(f, &in) == want);
    }
    std::vector<uint8_t> version = good;
    version[kIp] = 0x65;
    CHECK(parse(version, &in) == ParseResult::kBadLength);
    std::vector<uint8_t> ihl = good;
    ihl[kIp] = 0x44;
    CHECK(parse(ihl, &in) == ParseResult::kBadLength);
    for (uint8_t words : {4, 15}) {  // TCP header too short, longer than the packet
        std::vector<uint8_t> f = good;
        f[kTcp + 12] = static_cast<uint8_t>(words << 4);
        fix_tcp(f);
        CHECK(parse(f, &in) == ParseResult::kBadLength);
    }
    std::vector<uint8_t> no_tcp = good;
    no_tcp[kIp + 3] = 30;
    fix_ip(no_tcp);
    CHECK(parse(no_tcp, &in) == ParseResult::kBadLength);
}

TEST_CASE("wire frame: any flipped bit of IPv4 header, TCP header or payload is noticed")
{
    Segment in;
    const std::vector<uint8_t> good = frame_of(data_segment("some payload"));
    for (uint32_t bit = kIp * 8; bit < good.size() * 8; bit++) {
        std::vector<uint8_t> f = good;
        f[bit / 8] = static_cast<uint8_t>(f[bit / 8] ^ (1 << (bit % 8)));
        REQUIRE(parse(f, &in) != ParseResult::kOk);
    }
}

TEST_CASE("wire frame: checksum errors name the header")
{
    Segment in;
    std::vector<uint8_t> f = frame_of(data_segment("x"));
    f[kIp + 8]++;
    CHECK(parse(f, &in) == ParseResult::kBadIpChecksum);
    f = frame_of(data_segment("x"));
    f.back()++;
    CHECK(parse(f, &in) == ParseResult::kBadTcpChecksum);
}

namespace {

// An ACK whose options are these bytes, padded with NOP.
ParseResult parse_options(std::vector<uint8_t> options, Segment* in)
{
    options.resize((options.size() + 3) & ~size_t{3}, 1);
    std::vector<uint8_t> f = frame_of(data_segment(""));
    f.insert(f.begin() + kTcp + 20, options.begin(), options.end());
    f[kTcp + 12] = static_cast<uint8_t>((20 + options.size()) << 2);
    f[kIp + 3] = static_cast<uint8_t>(40 + options.size());
    fix_ip(f);
    fix_tcp(f);
    return parse(f, in);
}

}  // namespace

TEST_CASE("wire frame: malformed options are refused, unknown ones skipped")
{
    Segment in;
    const std::vector<std::vector<uint8_t>> bad = {
        {2, 3, 1, 1},                          // MSS of three bytes
        {2, 0, 0, 0},                          // length zero
        {1, 1, 1, 8},                          // kind without a length
        {8, 40, 0, 0},                         // longer than the header
        {8, 9, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1},  // timestamps one byte short
        {3, 2, 1, 1},                          // window scale without its shift
        {4, 3, 0, 1},                          // SACK-permitted with a body
        {5, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1},  // half a SACK block
        {5, 2, 1, 1},                          // SACK without a block
        {99, 1, 1, 1},                         // unknown, length one
    };
    for (const auto& options : bad) {
        INFO("first byte " << int(options[0]) << " second " << int(options[1]));
        CHECK(parse_options(options, &in) == ParseResult::kBadOptions);
    }
    CHECK(parse_options({254, 6, 1, 2, 3, 4, 2, 4, 5, 180}, &in) == ParseResult::kOk);
    CHECK(in.mss == 1460);
    CHECK(parse_options({0, 2, 0, 0}, &in) == ParseResult::kOk);  // nothing behind the end counts
    CHECK(parse_options({3, 3, 200, 0}, &in) == ParseResult::kOk);
    CHECK(in.wscale == 14);
}
