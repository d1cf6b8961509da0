// SPDX-License-Identifier: MIT
// Port `af_xdp`: one queue of a network interface through an AF_XDP socket in copy mode, on any
// driver (native XDP where there is one, generic otherwise). The wire finishes no checksums:
// payload is copied into packet memory and summed in the same pass. Thread: the loop.
// Packet memory (UMEM) is divided once: the first kRxFrames travel fill ring -> receive ring, the
// others free stack -> transmit ring -> completion ring. Memory of a received frame is ours until
// rx_release(). Must not look at frames beyond the checksum it finishes.
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

#include <cerrno>
#include <cstring>

#include "port/csum_copy.h"
#include "port/open.h"
#include "port/xdp_attach.h"

namespace eta::fw {
namespace {

constexpr uint32_t kRxFrames = 2048;  // power of two: also the size of the rings
constexpr uint32_t kTxFrames = 2048;
constexpr uint32_t kRxBurst = 256;
constexpr uint32_t kKickEvery = 32;  // frames; the kernel takes 32 for one call in copy mode
constexpr uint32_t kHeadroom = 256;  // that the kernel keeps free in front of a received frame
constexpr int kBusyTries = 50;
constexpr uint32_t kBusyPauseUs = 20000;
constexpr uint32_t kMacBytes = 18;  // Ethernet with one VLAN tag

class AfXdpPort final : public Port {
public:
    ~AfXdpPort() override;
    bool open(const std::string& ifname, uint32_t queue, std::string* err);

    uint32_t rx_burst(RxFrame* out, uint32_t max) override;
    void rx_release() override;
    uint8_t* tx_reserve(uint32_t head_len) override;
    void tx_commit(const TxFrame& frame) override;
    void flush() override;
    int wait_fd() const override { return fd_; }
    void arm() override;
    void tick() override;

private:
    bool read_interface(const std::string& ifname, std::string* err);
    bool make_umem(const std::string& ifname, std::string* err);
    bool make_socket(const std::string& ifname, uint32_t queue, std::string* err);
    void fill_all();
    uint32_t copy_payload(const TxFrame& frame);
    void reap();
    void submit();
    void kick();
    uint32_t unsent() const;

    uint8_t* mem_ = nullptr;
    uint64_t mem_bytes_ = 0;
    uint32_t frame_size_ = 2048;
    xsk_umem* umem_ = nullptr;
    xsk_socket* xsk_ = nullptr;
    int fd_ = -1;
    int link_fd_ = -1;
    xsk_ring_prod fill_ = {};
    xsk_ring_cons comp_ = {};
    xsk_ring_cons rx_ = {};
    xsk_ring_prod tx_ = {};
    uint32_t held_count_ = 0;  // received frames not yet released
    uint32_t queued_ = 0;      // frames in the transmit ring not yet submitted
    bool sent_ = false;        // since the last flush
    uint32_t free_count_ = 0;
    uint64_t kernel_drops_ = 0;  // as last reported by the kernel
    uint64_t held_[kRxBurst];
    uint64_t free_[kTxFrames];
};

std::string explain(const std::string& ifname, const char* what, int err)
{
    std::string head = "af_xdp " + ifname + ": " + what + ": ";
    switch (err) {
    case EPERM:
    case EACCES: return head + "no privilege (CAP_NET_ADMIN and CAP_NET_RAW are needed)";
    case EAFNOSUPPORT: return head + "kernel without XDP sockets (CONFIG_XDP_SOCKETS)";
    case EBUSY: return head + "the queue is in use by another program";
    case EINVAL: return head + "no such queue";
    case ENETDOWN: return head + "the interface is down";
    case ENOBUFS:
    case ENOMEM: return head + "no memory (see ulimit -l)";
    default: return head + std::strerror(err);
    }
}

bool AfXdpPort::open(const std::string& ifname, uint32_t queue, std::string* err)
{
    libxdp_set_print(nullptr);
    if (!read_interface(ifname, err) || !make_umem(ifname, err)) return false;
    if (!make_socket(ifname, queue, err)) return false;
    fill_all();
    link_fd_ = xdp_attach(ifname, queue, fd_, err);
    return link_fd_ >= 0;
}

bool AfXdpPort::read_interface(const std::string& ifname, std::string* err)
{
    ifreq req = {};
    std::memcpy(req.ifr_name, ifname.c_str(), ifname.size() + 1);
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = s >= 0 && ioctl(s, SIOCGIFHWADDR, &req) == 0;
    if (ok) std::memcpy(caps_.mac, req.ifr_hwaddr.sa_data, sizeof caps_.mac);
    ok = ok && ioctl(s, SIOCGIFMTU, &req) == 0;
    if (ok) caps_.mtu = static_cast<uint32_t>(req.ifr_mtu);
    ok = ok && ioctl(s, SIOCGIFFLAGS, &req) == 0;
    int code = errno;
    if (s >= 0) close(s);
    if (!ok) {
        *err = "af_xdp " + ifname + ": " +
               (code == ENODEV ? "no such interface" : std::strerror(code));
        return false;
    }
    if (!(req.ifr_flags & IFF_UP)) {
        *err = "af_xdp " + ifname + ": the interface is down (ip link set " + ifname + " up)";
        return false;
    }
    uint32_t need = caps_.mtu + kMacBytes + kHeadroom;
    frame_size_ = need <= 2048 ? 2048 : 4096;
    if (need <= 4096) return true;
    *err = "af_xdp " + ifname + ": its MTU of " + std::to_string(caps_.mtu) + " is more than " +
           std::to_string(4096 - kMacBytes - kHeadroom);
    return false;
}

bool AfXdpPort::make_umem(const std::string& ifname, std::string* err)
{
    mem_bytes_ = uint64_t{frame_size_} * (kRxFrames + kTxFrames);
    void* mem = mmap(nullptr, mem_bytes_, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mem == MAP_FAILED) {
        *err = explain(ifname, "packet memory", errno);
        return false;
    }
    mem_ = static_cast<uint8_t*>(mem);
    xsk_umem_config config = {};
    config.fill_size = kRxFrames;
    config.comp_size = kTxFrames;
    config.frame_size = frame_size_;
    int rc = xsk_umem__create(&umem_, mem_, mem_bytes_, &fill_, &comp_, &config);
    if (rc != 0) *err = explain(ifname, "packet memory", -rc);
    return rc == 0;
}

bool AfXdpPort::make_socket(const std::string& ifname, uint32_t queue, std::string* err)
{
    xsk_socket_config config = {};
    config.rx_size = kRxFrames;
    config.tx_size = kTxFrames;
    config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
    config.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP;
    // A socket whose process just ended gives its queue back a moment later.
    int rc = -EBUSY;
    for (int tries = 0; rc == -EBUSY && tries < kBusyTries; tries++) {
        if (tries != 0) usleep(kBusyPauseUs);
        rc = xsk_socket__create(&xsk_, ifname.c_str(), queue, umem_, &rx_, &tx_, &config);
    }
    if (rc != 0) {
        *err = explain(ifname, ("queue " + std::to_string(queue)).c_str(), -rc);
        return false;
    }
    fd_ = xsk_socket__fd(xsk_);
    return true;
}

void AfXdpPort::fill_all()
{
    uint32_t idx = 0;
    xsk_ring_prod__reserve(&fill_, kRxFrames, &idx);
    for (uint32_t i = 0; i < kRxFrames; i++)
        *xsk_ring_prod__fill_addr(&fill_, idx + i) = uint64_t{frame_size_} * i;
    xsk_ring_prod__submit(&fill_, kRxFrames);
    for (uint32_t i = 0; i < kTxFrames; i++)
        free_[i] = uint64_t{frame_size_} * (kRxFrames + kTxFrames - 1 - i);
    free_count_ = kTxFrames;
}

uint32_t AfXdpPort::rx_burst(RxFrame* out, uint32_t max)
{
    uint32_t room = kRxBurst - held_count_;
    uint32_t idx = 0;
    uint32_t n = xsk_ring_cons__peek(&rx_, max < room ? max : room, &idx);
    for (uint32_t i = 0; i < n; i++) {
        const xdp_desc* d = xsk_ring_cons__rx_desc(&rx_, idx + i);
        out[i] = {mem_ + d->addr, d->len, false};
        held_[held_count_++] = d->addr;
    }
    if (n != 0) xsk_ring_cons__release(&rx_, n);
    return n;
}

void AfXdpPort::rx_release()
{
    if (held_count_ == 0) return;
    uint32_t idx = 0;
    // Never fails: the fill ring is as large as the number of receive frames.
    if (xsk_ring_prod__reserve(&fill_, held_count_, &idx) != held_count_) return;
    for (uint32_t i = 0; i < held_count_; i++)
        *xsk_ring_prod__fill_addr(&fill_, idx + i) = held_[i];
    xsk_ring_prod__submit(&fill_, held_count_);
    held_count_ = 0;
    if (xsk_ring_prod__needs_wakeup(&fill_))
        recvfrom(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
}

uint8_t* AfXdpPort::tx_reserve(uint32_t head_len)
{
    if (head_len > kMaxHead) return nullptr;
    if (free_count_ == 0) {
        submit();
        kick();
        reap();
    }
    return free_count_ != 0 ? mem_ + free_[free_count_ - 1] : nullptr;
}

// Bytes of the frame. Finishes the checksum while it copies.
uint32_t AfXdpPort::copy_payload(const TxFrame& f)
{
    uint8_t* to = f.head + f.head_len;
    CsumCopy sum;
    if (f.csum_start != 0) sum.add(nullptr, f.head + f.csum_start, f.head_len - f.csum_start);
    for (uint32_t i = 0; i < f.payload.count; i++) {
        const Piece& p = f.payload.piece[i];
        if (f.csum_start != 0) sum.add(to, p.data, p.len);
        else std::memcpy(to, p.data, p.len);
        to += p.len;
    }
    if (f.csum_start != 0) {
        uint16_t field = sum.finish();
        std::memcpy(f.head + f.csum_start + f.csum_offset, &field, sizeof field);
    }
    return static_cast<uint32_t>(to - f.head);
}

void AfXdpPort::tx_commit(const TxFrame& frame)
{
    uint32_t idx = 0;
    // The ring has room for all transmit frames, so a free frame means a free descriptor.
    bool fits = frame.head_len + frame.payload.len <= frame_size_;
    if (!fits || xsk_ring_prod__reserve(&tx_, 1, &idx) != 1) {
        dropped_++;
        return;
    }
    xdp_desc* d = xsk_ring_prod__tx_desc(&tx_, idx);
    d->addr = free_[--free_count_];
    d->len = copy_payload(frame);
    d->options = 0;
    if (++queued_ < kKickEvery) return;
    submit();
    kick();
}

void AfXdpPort::submit()
{
    if (queued_ == 0) return;
    xsk_ring_prod__submit(&tx_, queued_);
    queued_ = 0;
    sent_ = true;
}

uint32_t AfXdpPort::unsent() const
{
    return __atomic_load_n(tx_.producer, __ATOMIC_RELAXED) -
           __atomic_load_n(tx_.consumer, __ATOMIC_ACQUIRE);
}

void AfXdpPort::kick()
{
    if (xsk_ring_prod__needs_wakeup(&tx_)) sendto(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, 0);
}

void AfXdpPort::flush()
{
    submit();
    if (!sent_) return;
    for (uint32_t tries = kTxFrames / kKickEvery; tries != 0 && unsent() != 0; tries--) {
        kick();
        reap();
    }
    reap();
    sent_ = unsent() != 0;  // the kernel is short of memory: again at the next flush
}

void AfXdpPort::reap()
{
    uint32_t idx = 0;
    uint32_t n = xsk_ring_cons__peek(&comp_, kTxFrames - free_count_, &idx);
    for (uint32_t i = 0; i < n; i++)
        free_[free_count_++] = *xsk_ring_cons__comp_addr(&comp_, idx + i);
    if (n != 0) xsk_ring_cons__release(&comp_, n);
}

// A sleeper learns of frames by poll(); nothing may be left half sent.
void AfXdpPort::arm()
{
    sent_ = unsent() != 0;
    flush();
}

void AfXdpPort::tick()
{
    xdp_statistics s = {};
    socklen_t len = sizeof s;
    if (getsockopt(fd_, SOL_XDP, XDP_STATISTICS, &s, &len) != 0) return;
    uint64_t drops = s.rx_dropped + s.rx_ring_full + s.rx_invalid_descs + s.tx_invalid_descs;
    dropped_ += drops - kernel_drops_;
    kernel_drops_ = drops;
}

AfXdpPort::~AfXdpPort()
{
    if (link_fd_ >= 0) close(link_fd_);  // first: no frame may be lost to a socket that is going
    if (xsk_) {
        flush();
        xsk_socket__delete(xsk_);
    }
    if (umem_) xsk_umem__delete(umem_);
    if (mem_) munmap(mem_, mem_bytes_);
}

}  // namespace

std::unique_ptr<Port> af_xdp_open(const std::string& ifname, uint32_t queue, std::string* err)
{
    auto port = std::make_unique<AfXdpPort>();
    if (!port->open(ifname, queue, err)) return nullptr;
    return port;
}

}  // namespace eta::fw
