// SPDX-License-Identifier: MIT
// See netns.h.
#include "netns.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <stdexcept>

#include "port/csum_copy.h"
#include "port/virtio_hdr.h"

namespace eta::test {

using namespace eta::fw;

bool enter_new_netns()
{
    if (geteuid() == 0 && unshare(CLONE_NEWNET) == 0) {
        ip("link set lo up");
        return true;
    }
    return false;
}

bool ip(const std::string& args)
{
    return std::system(("ip " + args + " 2>/dev/null").c_str()) == 0;
}

void make_veth(const std::string& a, const std::string& b)
{
    bool ok = ip("link add " + a + " type veth peer name " + b);
    for (const std::string& name : {a, b}) {
        std::string quiet =
            "echo 1 > /proc/sys/net/ipv6/conf/" + name + "/disable_ipv6 2>/dev/null";
        ok = std::system(quiet.c_str()) == 0 && ok;
        ok = ip("link set " + name + " up") && ok;
    }
    if (!ok) throw std::runtime_error("cannot make a veth pair");
}

RawSocket::RawSocket(const std::string& ifname, bool vnet_hdr)
{
    fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    int on = vnet_hdr;
    setsockopt(fd_, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on);
    int room = 16 << 20;
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    sockaddr_ll at = {};
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(ETH_P_IP);
    at.sll_ifindex = static_cast<int>(if_nametoindex(ifname.c_str()));
    if (bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0)
        throw std::runtime_error("cannot bind to " + ifname);
}

RawSocket::~RawSocket() { close(fd_); }

void RawSocket::send(const Bytes& frame)
{
    if (::send(fd_, frame.data(), frame.size(), 0) != static_cast<ssize_t>(frame.size()))
        throw std::runtime_error(std::string("packet socket: ") + std::strerror(errno));
}

Bytes RawSocket::receive()
{
    Bytes frame(70000);
    for (;;) {
        pollfd p = {fd_, POLLIN, 0};
        if (poll(&p, 1, 1000) <= 0) return {};
        sockaddr_ll from = {};
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(fd_, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&from),
                             &from_len);
        if (n < 0) return {};
        if (from.sll_pkttype == PACKET_OUTGOING) continue;  // our own
        frame.resize(static_cast<size_t>(n));
        return frame;
    }
}

namespace {

void put16(uint8_t* p, uint32_t v)
{
    p[0] = static_cast<uint8_t>(v >> 8);
    p[1] = static_cast<uint8_t>(v);
}

uint16_t pseudo_sum(const Bytes& f)
{
    uint8_t tail[4] = {0, 6};
    put16(tail + 2, static_cast<uint32_t>(f.size()) - 34);
    CsumCopy sum;
    sum.add(nullptr, f.data() + 26, 8);
    sum.add(nullptr, tail, sizeof tail);
    return static_cast<uint16_t>(~sum.finish());
}

uint16_t full_sum(const Bytes& f)
{
    CsumCopy sum;
    uint16_t pseudo = pseudo_sum(f);
    sum.add(nullptr, reinterpret_cast<uint8_t*>(&pseudo), 2);
    sum.add(nullptr, f.data() + 34, static_cast<uint32_t>(f.size()) - 34);
    return sum.finish();
}

}  // namespace

Bytes tcp_frame(uint32_t payload, bool partial_checksum)
{
    static const uint8_t head[kTcpHead] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,    0, 0,  0, 0,
                                           9,    8,    0,  // Ethernet
                                           0x45, 0,    0,    0,    0,    1,    0x40, 0, 64, 6, 0,
                                           0,    10,   9,    0,    2,    10,   9,    0, 1,  // IPv4
                                           0x30, 0x39, 0,    80,   0,    0,    0,    1, 0,  0, 0,
                                           1,    0x50, 0x18, 1,    0,    0,    0,    0, 0};
    Bytes f(head, head + kTcpHead);
    for (uint32_t i = 0; i < payload; i++) f.push_back(static_cast<uint8_t>(i * 7 + i / 256));
    put16(&f[16], static_cast<uint32_t>(f.size()) - 14);
    CsumCopy ip_sum;
    ip_sum.add(nullptr, &f[14], 20);
    uint16_t field = ip_sum.finish();
    std::memcpy(&f[24], &field, 2);
    field = partial_checksum ? pseudo_sum(f) : full_sum(f);
    std::memcpy(&f[50], &field, 2);
    return f;
}

uint16_t tcp_checksum_error(const Bytes& frame) { return full_sum(frame); }

void port_send(Port& port, const Bytes& bytes, uint16_t gso_size)
{
    static std::deque<Bytes> alive;  // until after flush()
    alive.push_back(bytes);
    if (alive.size() > 512) alive.pop_front();
    const Bytes& frame = alive.back();
    TxFrame f;
    f.head = port.tx_reserve(kTcpHead);
    if (!f.head) throw std::runtime_error("port is full");
    f.head_len = kTcpHead;
    std::memcpy(f.head, frame.data(), kTcpHead);
    f.payload.len = static_cast<uint32_t>(frame.size()) - kTcpHead;
    uint32_t third = f.payload.len / 3;
    f.payload.count = 2;
    f.payload.piece[0] = {frame.data() + kTcpHead, third};
    f.payload.piece[1] = {frame.data() + kTcpHead + third, f.payload.len - third};
    f.csum_start = 34;
    f.csum_offset = 16;
    f.gso_size = gso_size;
    port.tx_commit(f);
}

std::vector<Bytes> port_receive(Port& port, size_t n, bool* csum_valid)
{
    std::vector<Bytes> got;
    time_t give_up = time(nullptr) + 2;
    while (got.size() < n && time(nullptr) < give_up) {
        RxFrame frames[64];
        uint32_t k = port.rx_burst(frames, 64);
        for (uint32_t i = 0; i < k; i++) {
            if (frames[i].len < 14 || frames[i].data[12] != 8 || frames[i].data[13] != 0) continue;
            got.emplace_back(frames[i].data, frames[i].data + frames[i].len);
            if (csum_valid) *csum_valid = frames[i].csum_valid;
        }
        port.rx_release();
    }
    return got;
}

}  // namespace eta::test
