// SPDX-License-Identifier: MIT
// The default path (E10): frames nobody claims reach the OS with correct checksums and in pieces it
// can take; frames of the OS reach the port; a full ring drops, a lying agent is ignored.
#include <catch2/catch.hpp>

#include "port/csum_copy.h"
#include "port_engine.h"

using namespace eta::fw;
using namespace eta::test;

namespace {

void put16(uint8_t* p, uint32_t v)
{
    p[0] = static_cast<uint8_t>(v >> 8);
    p[1] = static_cast<uint8_t>(v);
}

uint32_t get16(const uint8_t* p) { return static_cast<uint32_t>(p[0] << 8 | p[1]); }

// TCP or UDP over IPv4 or IPv6, checksums zero or nonsense.
Bytes frame(bool ipv6, uint8_t proto, uint32_t payload)
{
    uint32_t ip = ipv6 ? 40 : 20;
    uint32_t l4 = proto == 6 ? 32 : 8;  // TCP with 12 bytes of options
    Bytes f(14 + ip + l4 + payload);
    put16(&f[12], ipv6 ? 0x86dd : 0x0800);
    if (ipv6) {
        f[14] = 0x60;
        put16(&f[18], l4 + payload);
        f[20] = proto;
        f[37] = f[53] = 9;
    } else {
        f[14] = 0x45;
        put16(&f[16], 20 + l4 + payload);
        put16(&f[18], 1000);
        f[23] = proto;
        f[29] = f[33] = 9;
    }
    uint8_t* t = &f[14 + ip];
    put16(t, 1234);
    put16(t + 2, 80);
    if (proto == 6) {
        t[7] = 1;             // sequence number
        t[12] = 0x80;         // 32 bytes of header
        t[13] = 0x80 | 0x19;  // CWR, ACK, PSH, FIN
        put16(t + 16, 0x1234);
    } else {
        put16(t + 4, 8 + payload);
        put16(t + 6, 0x1234);
    }
    for (uint32_t i = 0; i < payload; i++)
        f[14 + ip + l4 + i] = static_cast<uint8_t>(i * 5 + i / 256);
    return f;
}

bool transport_checksum_ok(const Bytes& f)
{
    bool ipv6 = f[12] == 0x86;
    uint32_t l4 = ipv6 ? 54 : 34;
    uint8_t tail[4] = {0, ipv6 ? f[20] : f[23]};
    put16(tail + 2, static_cast<uint32_t>(f.size()) - l4);
    CsumCopy sum;
    sum.add(nullptr, &f[ipv6 ? 22 : 26], ipv6 ? 32 : 8);
    sum.add(nullptr, tail, 4);
    sum.add(nullptr, &f[l4], static_cast<uint32_t>(f.size()) - l4);
    return sum.finish() == 0;
}

bool ip_checksum_ok(const Bytes& f)
{
    CsumCopy sum;
    sum.add(nullptr, &f[14], 20);
    return sum.finish() == 0;
}

void to_os(EngineBox& box, Bytes& f, bool csum_valid)
{
    raw_path_to_os(*box.engine, {f.data(), static_cast<uint32_t>(f.size()), csum_valid});
}

}  // namespace

TEST_CASE("raw path: a frame whose checksum nobody vouches for arrives as it is")
{
    EngineBox box;
    Bytes f = frame(false, 6, 100);
    to_os(box, f, false);
    CHECK(box.take_raw_rx() == f);
    CHECK(box.count(Counter::raw_to_os) == 1);
}

TEST_CASE("raw path: unfinished checksums are finished")
{
    EngineBox box;
    for (bool ipv6 : {false, true}) {
        for (uint8_t proto : {uint8_t{6}, uint8_t{17}}) {
            for (uint32_t payload : {0u, 1u, 777u, 1400u}) {
                Bytes f = frame(ipv6, proto, payload);
                to_os(box, f, true);
                Bytes got = box.take_raw_rx();
                REQUIRE(got.size() == f.size());
                CHECK(transport_checksum_ok(got));
            }
        }
    }
}

TEST_CASE("raw path: a UDP datagram without checksum stays without")
{
    EngineBox box;
    Bytes f = frame(false, 17, 100);
    put16(&f[40], 0);
    to_os(box, f, true);
    CHECK(box.take_raw_rx() == f);
}

TEST_CASE("raw path: ARP, fragments and broken packets pass untouched")
{
    EngineBox box;
    Bytes arp(60, 7);
    put16(&arp[12], 0x0806);
    Bytes fragment = frame(false, 17, 100);
    put16(&fragment[20], 0x2000);
    Bytes long_ip = frame(false, 6, 100);
    put16(&long_ip[16], 60000);
    Bytes long_tcp = frame(false, 6, 10);
    long_tcp[46] = 0xf0;
    Bytes runt(15, 0);
    put16(&runt[12], 0x0800);
    for (Bytes f : {arp, fragment, long_ip, long_tcp, runt}) {
        to_os(box, f, true);
        CHECK(box.take_raw_rx() == f);
    }
}

TEST_CASE("raw path: a large TCP segment is cut into correct segments of the port's MTU")
{
    for (bool ipv6 : {false, true}) {
        EngineBox box;
        uint32_t ip = ipv6 ? 40 : 20;
        uint32_t head = 14 + ip + 32;
        Bytes f = frame(ipv6, 6, 20000);
        to_os(box, f, true);
        Bytes stream;
        for (uint32_t n = 0;; n++) {
            Bytes got = box.take_raw_rx();
            if (got.empty()) break;
            REQUIRE(got.size() <= 1514);
            REQUIRE(transport_checksum_ok(got));
            if (!ipv6) REQUIRE((ip_checksum_ok(got) && get16(&got[18]) == 1000 + n));
            const uint8_t* t = &got[14 + ip];
            REQUIRE((get16(t + 4) << 16 | get16(t + 6)) == 1 + stream.size());
            bool last = stream.size() + got.size() - head == 20000;
            REQUIRE((t[13] & 0x09) == (last ? 0x09 : 0));
            REQUIRE((t[13] & 0x80) == (n == 0 ? 0x80 : 0));
            stream.insert(stream.end(), got.begin() + head, got.end());
        }
        CHECK(stream == Bytes(f.begin() + head, f.end()));
    }
}

TEST_CASE("raw path: what is too long and no TCP segment is counted and dropped")
{
    EngineBox box;
    Bytes f = frame(false, 17, 3000);
    to_os(box, f, true);
    Bytes lies = frame(false, 6, 3000);
    put16(&lies[16], 50000);
    to_os(box, lies, true);
    CHECK(box.count(Counter::raw_to_os_long) == 2);
    CHECK(box.take_raw_rx().empty());
}

TEST_CASE("raw path: a full ring drops and counts, and goes on afterwards")
{
    EngineBox box;
    Bytes f = frame(false, 6, 10);
    for (uint32_t i = 0; i < ETA_RAW_DEPTH + 7; i++) to_os(box, f, false);
    CHECK(box.count(Counter::raw_to_os_full) == 7);
    for (uint32_t i = 0; i < ETA_RAW_DEPTH; i++) REQUIRE(box.take_raw_rx() == f);
    CHECK(box.take_raw_rx().empty());
    to_os(box, f, false);
    CHECK(box.take_raw_rx() == f);
}

TEST_CASE("raw path: frames of the OS reach the port, a budget at a time, slots after the flush")
{
    EngineBox box;
    for (uint32_t i = 0; i < 40; i++) box.put_raw_tx(frame(false, 6, i * 30), 66 + i * 30);
    CHECK(raw_path_from_os(*box.engine, 32) == 32);
    CHECK(box.port.flushed == 32);
    CHECK(box.pool.proc()->raw_tx_cons == 32);
    CHECK(raw_path_from_os(*box.engine, 32) == 8);
    for (uint32_t i = 0; i < 40; i++) CHECK(box.port.sent[i] == frame(false, 6, i * 30));
    CHECK(raw_path_from_os(*box.engine, 32) == 0);
}

TEST_CASE("raw path: a full port keeps the frames of the OS waiting")
{
    EngineBox box;
    for (int i = 0; i < 4; i++) box.put_raw_tx(frame(false, 6, 10), 76);
    box.port.room = 1;
    CHECK(raw_path_from_os(*box.engine, 32) == 1);
    box.port.room = 10;
    CHECK(raw_path_from_os(*box.engine, 32) == 3);
    CHECK(box.port.sent.size() == 4);
}

TEST_CASE("raw path: slots and indices that cannot be are ignored and counted")
{
    EngineBox box;
    for (uint32_t len : {0u, 13u, ETA_RAW_FRAME - 7u, 0xffffffffu})
        box.put_raw_tx(frame(false, 6, 0), len);
    box.put_raw_tx(frame(false, 6, 0), 66);
    CHECK(raw_path_from_os(*box.engine, 32) == 5);
    CHECK(box.port.sent.size() == 1);
    CHECK(box.count(Counter::raw_from_os_bad) == 4);
    box.pool.proc()->raw_tx_prod += 0x10000;
    CHECK(raw_path_from_os(*box.engine, 32) == 0);
    box.put_raw_tx(frame(false, 6, 0), 66);
    CHECK(raw_path_from_os(*box.engine, 32) == 1);
}

TEST_CASE("raw path: the OS cannot reset a connection of the accelerator, but any other")
{
    EngineBox box;
    Bytes rst = frame(false, 6, 0);
    rst[47] = 0x14;  // RST, ACK
    FourTuple t = {};
    t.laddr[10] = t.laddr[11] = t.raddr[10] = t.raddr[11] = 0xff;
    std::memcpy(t.laddr + 12, &rst[26], 4);
    std::memcpy(t.raddr + 12, &rst[30], 4);
    std::memcpy(&t.lport, &rst[34], 2);
    std::memcpy(&t.rport, &rst[36], 2);
    box.put_raw_tx(rst, static_cast<uint32_t>(rst.size()));
    CHECK(raw_path_from_os(*box.engine, 32) == 1);
    REQUIRE(box.port.sent.size() == 1);

    eta_ctx& c = box.engine->ctx(5);
    std::memcpy(c.laddr, &t, sizeof t);
    c.hash = box.engine->hash.tuple_hash(t);
    REQUIRE(box.engine->hash.insert(c.hash, 5));
    box.put_raw_tx(rst, static_cast<uint32_t>(rst.size()));
    CHECK(raw_path_from_os(*box.engine, 32) == 1);
    CHECK(box.port.sent.size() == 1);
    CHECK(box.count(Counter::raw_from_os_rst) == 1);
    rst[47] = 0x10;  // an ACK alone is the OS's own business
    box.put_raw_tx(rst, static_cast<uint32_t>(rst.size()));
    CHECK(raw_path_from_os(*box.engine, 32) == 1);
    CHECK(box.port.sent.size() == 2);
}
