// SPDX-License-Identifier: MIT
// Test harness: frames built and read without any code of the accelerator, so that a mistake made
// in its wire format on both ways still shows. Ethernet, IPv4, TCP; anything else stays bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace eta::test {

using Bytes = std::vector<uint8_t>;
using Mac = std::array<uint8_t, 6>;

constexpr uint8_t kF = 0x01, kS = 0x02, kR = 0x04, kP = 0x08, kA = 0x10;
constexpr uint16_t kEtherIp = 0x0800, kEtherArp = 0x0806;
constexpr uint8_t kProtoIcmp = 1, kProtoTcp = 6, kProtoUdp = 17;

struct TcpFrame {
    Mac dmac{}, smac{};
    uint32_t saddr = 0, daddr = 0;  // host order
    uint16_t sport = 0, dport = 0;
    uint32_t seq = 0, ack = 0;
    uint8_t flags = 0;
    uint16_t wnd = 0;
    std::optional<uint16_t> mss;
    std::optional<uint8_t> wscale;
    bool sack_ok = false;
    std::optional<std::pair<uint32_t, uint32_t>> ts;  // value, echo
    std::vector<std::pair<uint32_t, uint32_t>> sack;
    Bytes payload;
};

Bytes encode(const TcpFrame& t);

// Fails (nullopt) unless the frame is whole IPv4 TCP with both checksums right; `why` says what.
std::optional<TcpFrame> decode(const Bytes& frame, std::string* why);

std::string describe(const TcpFrame& t);

// RFC 1071 sum of big-endian words, folded, not inverted.
uint16_t sum16(const uint8_t* data, size_t len, uint32_t start = 0);
// Sum of the pseudo-header of RFC 9293 3.1.
uint16_t pseudo_sum(uint32_t saddr, uint32_t daddr, uint8_t proto, uint32_t len);
// Writes IP and TCP checksums anew into a well-formed frame.
void fix_checksums(Bytes& frame);

uint16_t get16(const uint8_t* p);
uint32_t get32(const uint8_t* p);
void put16(uint8_t* p, uint16_t v);
void put32(uint8_t* p, uint32_t v);

// An IPv4 frame around `body` of protocol `proto`.
Bytes encode_ip(const Mac& dmac, const Mac& smac, uint32_t saddr, uint32_t daddr, uint8_t proto,
                const Bytes& body);
Bytes encode_arp_request(const Mac& smac, uint32_t saddr, uint32_t daddr);

}  // namespace eta::test
