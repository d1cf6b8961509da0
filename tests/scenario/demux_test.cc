// SPDX-License-Identifier: MIT
// Scenarios: broken frames are counted and dropped; frames nobody claims go to the OS stack, and
// frames of the OS stack go to the wire (E10, E11).
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;
using eta::fw::Counter;

namespace {

struct Fixture {
    Lab lab;
    Peer peer{lab, 40000, 80};
    Sock& sock = lab.accept_from(peer);

    // Injects and returns how far the counter moved. Nothing may reach program, peer or OS.
    uint64_t dropped(const Bytes& frame, Counter counter) {
        uint64_t before = lab.count(counter);
        lab.host.take_raw_rx();
        lab.inject(frame);
        lab.settle();
        CHECK(sock.readable() == 0);
        CHECK(lab.host.take_raw_rx().empty());
        peer.expect_nothing();
        return lab.count(counter) - before;
    }
};

}  // namespace

TEST_CASE("demux: a frame shorter than an Ethernet header is counted and dropped") {
    Fixture f;
    CHECK(f.dropped(Bytes(10), Counter::rx_runt) == 1);
    CHECK(f.dropped(Bytes(1), Counter::rx_runt) == 1);
}

TEST_CASE("demux: truncated IP and TCP headers are counted and dropped") {
    Fixture f;
    Bytes whole = f.peer.frame_of(data(1, 100));
    uint64_t moved = 0;
    for (size_t len : {15u, 20u, 33u, 34u, 40u, 53u}) {
        Bytes cut(whole.begin(), whole.begin() + len);
        moved += f.dropped(cut, Counter::rx_runt);
        f.lab.settle();
    }
    CHECK(moved + f.lab.count(Counter::rx_bad_length) >= 6);
}

TEST_CASE("demux: an IP length beyond the frame is counted and dropped") {
    Fixture f;
    Bytes frame = f.peer.frame_of(data(1, 100));
    frame.resize(frame.size() - 20);
    CHECK(f.dropped(frame, Counter::rx_bad_length) == 1);
}

TEST_CASE("demux: an IP length shorter than its headers is counted and dropped") {
    Fixture f;
    Bytes frame = f.peer.frame_of(data(1, 100));
    put16(&frame[16], 24);
    put16(&frame[24], 0);
    put16(&frame[24], static_cast<uint16_t>(~sum16(&frame[14], 20)));
    uint64_t runts = f.lab.count(Counter::rx_runt);
    uint64_t moved = f.dropped(frame, Counter::rx_bad_length);
    CHECK(moved + f.lab.count(Counter::rx_runt) - runts == 1);
}

TEST_CASE("demux: a TCP header length out of range is counted and dropped") {
    Fixture f;
    for (uint8_t words : {0, 4, 15}) {
        Bytes frame = f.peer.frame_of(data(1, 8));
        frame[14 + 20 + 12] = static_cast<uint8_t>(words << 4);
        fix_checksums(frame);
        CHECK(f.dropped(frame, Counter::rx_bad_length) == 1);
    }
}

TEST_CASE("demux: a wrong IP checksum is counted and dropped") {
    Fixture f;
    Bytes frame = f.peer.frame_of(data(1, 100));
    frame[14 + 8] ^= 1;
    CHECK(f.dropped(frame, Counter::rx_bad_ip_checksum) == 1);
}

TEST_CASE("demux: a wrong TCP checksum is counted and dropped") {
    Fixture f;
    Bytes frame = f.peer.frame_of(data(1, 100));
    frame[frame.size() - 1] ^= 1;
    CHECK(f.dropped(frame, Counter::rx_bad_tcp_checksum) == 1);
}

TEST_CASE("demux: padding behind the IP packet is ignored") {
    Fixture f;
    Bytes frame = f.peer.frame_of(data(1, 4));
    frame.resize(frame.size() + 12, 0xee);
    f.lab.inject(frame);
    f.lab.settle();
    CHECK(f.sock.recv() == 4);
}

TEST_CASE("demux: single bit errors anywhere in the packet deliver no wrong byte") {
    Fixture f;
    Bytes whole = f.peer.frame_of(data(1, 50));
    for (size_t bit = 14 * 8; bit < whole.size() * 8; bit++) {
        Bytes frame = whole;
        frame[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
        f.lab.inject(frame);
    }
    f.lab.settle();
    CHECK(f.sock.readable() == 0);
    CHECK(f.sock.established());
}

TEST_CASE("demux: ARP, ICMP, UDP and IPv6 go to the OS stack unchanged") {
    Lab lab;
    Bytes icmp = {8, 0, 0xf7, 0xff, 0, 0, 0, 0};
    Bytes udp = {0, 53, 0, 53, 0, 12, 0, 0, 'e', 't', 'a', '!'};
    Bytes v6(60);
    put16(&v6[12], 0x86dd);
    v6[14] = 0x60;
    std::vector<Bytes> frames = {
        encode_arp_request(kPeerMac, kPeerAddr, kHostAddr),
        encode_ip(kHostMac, kPeerMac, kPeerAddr, kHostAddr, kProtoIcmp, icmp),
        encode_ip(kHostMac, kPeerMac, kPeerAddr, kHostAddr, kProtoUdp, udp),
        v6,
    };
    for (auto& f : frames)
        lab.inject(f);
    lab.settle();
    CHECK(lab.host.take_raw_rx() == frames);
    CHECK(lab.count(Counter::raw_to_os) == 4);
}

TEST_CASE("demux: IP fragments go to the OS stack, first and later ones") {
    Fixture f;
    for (uint16_t field : {uint16_t{0x2000}, uint16_t{0x0010}, uint16_t{0x2010}}) {
        Bytes frame = f.peer.frame_of(data(1, 64));
        put16(&frame[14 + 6], field);
        fix_checksums(frame);
        f.lab.inject(frame);
        f.lab.settle();
        CHECK(f.lab.host.take_raw_rx().size() == 1);
        CHECK(f.sock.readable() == 0);
    }
}

TEST_CASE("demux: TCP to an address that is not ours goes to the OS stack") {
    Lab lab;
    lab.listen();
    Peer peer(lab, 40000, 80);
    Bytes f = peer.frame_of(syn().mss(1460));
    put32(&f[14 + 16], 0x0a4d0063);
    fix_checksums(f);
    lab.inject(f);
    lab.settle();
    CHECK(lab.host.take_raw_rx().size() == 1);
    peer.expect_nothing();
}

TEST_CASE("demux: IP options do not hide a segment: it is served or goes to the OS stack") {
    Fixture f;
    Bytes frame = f.peer.frame_of(data(1, 40));
    frame.insert(frame.begin() + 34, {1, 1, 1, 0});
    frame[14] = 0x46;
    put16(&frame[16], static_cast<uint16_t>(get16(&frame[16]) + 4));
    fix_checksums(frame);
    f.lab.inject(frame);
    f.lab.settle();
    CHECK(f.sock.readable() + f.lab.host.take_raw_rx().size() * 40 == 40);
}

TEST_CASE("demux: frames of the OS stack reach the wire unchanged and in order") {
    Lab lab;
    std::vector<Bytes> frames;
    for (uint8_t i = 0; i < 100; i++) {
        Bytes body(20 + i, i);
        frames.push_back(encode_ip(kPeerMac, kHostMac, kHostAddr, kPeerAddr, kProtoUdp, body));
        REQUIRE(lab.host.put_raw_tx(frames.back()));
    }
    lab.settle();
    CHECK(lab.others == frames);
    CHECK(lab.count(Counter::raw_from_os) == 100);
}

TEST_CASE("demux: frames of the OS stack wait while the port is full") {
    Lab lab;
    lab.host.port().set_tx_room(3);
    std::vector<Bytes> frames;
    for (uint8_t i = 0; i < 50; i++) {
        frames.push_back(
            encode_ip(kPeerMac, kHostMac, kHostAddr, kPeerAddr, kProtoUdp, Bytes(20, i)));
        REQUIRE(lab.host.put_raw_tx(frames.back()));
    }
    lab.settle();
    CHECK(lab.others == frames);
}

TEST_CASE("demux: a full ring towards the OS stack drops, counts and goes on") {
    Lab lab;
    Bytes arp = encode_arp_request(kPeerMac, kPeerAddr, kHostAddr);
    for (uint32_t i = 0; i < ETA_RAW_DEPTH + 50; i++)
        lab.inject(arp);
    lab.settle();
    CHECK(lab.host.take_raw_rx().size() == ETA_RAW_DEPTH);
    CHECK(lab.count(Counter::raw_to_os_full) == 50);
    lab.inject(arp);
    lab.settle();
    CHECK(lab.host.take_raw_rx().size() == 1);
}

TEST_CASE("demux: random frames hurt nobody") {
    Fixture f;
    eta::fw::Rng rng(42);
    Bytes whole = f.peer.frame_of(data(1, 200).ts().sack(5, 10));
    for (int i = 0; i < 20000; i++) {
        Bytes frame = whole;
        uint32_t edits = 1 + rng.below(6);
        for (uint32_t k = 0; k < edits; k++)
            frame[12 + rng.below(64)] = static_cast<uint8_t>(rng.next());
        frame.resize(1 + rng.below(static_cast<uint32_t>(frame.size())));
        if (rng.below(2) && frame.size() >= 54 && (frame[14] & 15) >= 5 &&
            get16(&frame[16]) >= 40 + (frame[14] & 15) * 4u &&
            get16(&frame[16]) + 14u <= frame.size())
            fix_checksums(frame);
        f.lab.inject(frame);
        if (i % 64 == 0) {
            f.lab.settle();
            f.lab.host.take_raw_rx();
            f.peer.check_payload = false;
        }
    }
    f.lab.settle();
    SUCCEED();
}
