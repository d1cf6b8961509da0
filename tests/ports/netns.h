// SPDX-License-Identifier: MIT
// A network namespace of the test's own, interfaces in it, and raw packet sockets as the far end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "port/port.h"

namespace eta::test {

using Bytes = std::vector<uint8_t>;

// Moves this thread into a new, empty network namespace; it vanishes with the last user.
// False: no privilege; the test prints why it does nothing.
bool enter_new_netns();

// Runs `ip ARGS`. True if it worked.
bool ip(const std::string& args);

// A pair of interfaces, both up, without IPv6 chatter and with checksum and segmentation offload
// of the second one switched off.
void make_veth(const std::string& a, const std::string& b);

// Packet socket on one interface; sees only frames of our experimental EtherType or TCP.
class RawSocket {
public:
    RawSocket(const std::string& ifname, bool vnet_hdr);
    ~RawSocket();
    RawSocket(const RawSocket&) = delete;
    RawSocket& operator=(const RawSocket&) = delete;

    void send(const Bytes& frame);
    // The next frame that came from the other side; empty after a second without one.
    Bytes receive();

private:
    int fd_;
};

// Ethernet, IPv4, TCP with `payload` bytes of a pattern; the checksum is right, or holds the
// pseudo-header sum as offload wants it.
Bytes tcp_frame(uint32_t payload, bool partial_checksum);
uint16_t tcp_checksum_error(const Bytes& frame);  // 0: right

constexpr uint32_t kTcpHead = 54;  // bytes of headers in tcp_frame()

// Sends through a port with the payload in two pieces.
void port_send(fw::Port& port, const Bytes& frame, uint16_t gso_size);
// Polls the port until `n` frames have come or a second has gone by.
std::vector<Bytes> port_receive(fw::Port& port, size_t n, bool* csum_valid = nullptr);

}  // namespace eta::test
