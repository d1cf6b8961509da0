// SPDX-License-Identifier: MIT
// Port `link`: a wire of shared memory between two accelerators, or two ends in one process.
// A file holds one page of indices and two rings of bytes, one for each direction; whoever comes
// first makes it. Which end one is, a lock on the file decides, so a killed end frees its place and
// its successor goes on with the indices it left. Thread: the loop that owns the port; the other
// end is another process and is not trusted with lengths or indices.
//
// Record: at a multiple of 64 bytes, length in the first word, frame from byte 18 on (so that the
// IP header is aligned). Each ring is mapped twice in a row: no record ever wraps.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <eta/abi.h>
#include <eta/ring_ops.h>

#include "port/open.h"
#include "port/spec.h"

namespace eta::fw {

namespace {

constexpr uint32_t kMagic = 0x4b4c5445;  // "ETLK"
constexpr uint32_t kVersion = 1;
constexpr uint32_t kRingBytes = 4u << 20;  // power of two
constexpr uint32_t kRingMask = kRingBytes - 1;
constexpr uint32_t kAlign = 64;
constexpr uint32_t kDataOff = 18;
constexpr uint32_t kTsoMax = 61440;
constexpr uint32_t kMaxFrame = kTsoMax + Port::kMaxHead;
constexpr uint32_t kMinFrame = 14;
constexpr uint32_t kPublishEvery = 16;  // frames
constexpr off_t kFileBytes = ETA_PAGE + 2 * static_cast<off_t>(kRingBytes);
constexpr off_t kLockSetup = 2;  // bytes 0 and 1 are the ends

// Indices of one end, written by that end alone; byte positions, free-running.
struct LinkEnd {
    alignas(ETA_CACHELINE) uint32_t prod;    // of the ring this end sends into
    alignas(ETA_CACHELINE) uint32_t cons;    // of the ring this end receives from
    alignas(ETA_CACHELINE) uint32_t asleep;  // wants a byte in its FIFO
};

struct LinkHeader {
    alignas(ETA_CACHELINE) uint32_t magic;  // written last by the end that made the file
    uint32_t version;
    uint32_t ring_bytes;
    LinkEnd end[2];
};
static_assert(sizeof(LinkHeader) <= ETA_PAGE);

constexpr uint32_t record_bytes(uint32_t len)
{
    return (kDataOff + len + kAlign - 1) & ~(kAlign - 1);
}
constexpr uint32_t kMaxRecord = record_bytes(kMaxFrame);

int lock_byte(int fd, off_t byte, short type, bool wait)
{
    struct flock l = {};
    l.l_type = type;
    l.l_whence = SEEK_SET;
    l.l_start = byte;
    l.l_len = 1;
    return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l);
}

bool byte_locked(int fd, off_t byte)
{
    struct flock l = {};
    l.l_type = F_WRLCK;
    l.l_whence = SEEK_SET;
    l.l_start = byte;
    l.l_len = 1;
    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

class LinkPort final : public Port {
public:
    ~LinkPort() override;
    bool open(const std::string& path, std::string* err);

    uint32_t rx_burst(RxFrame* out, uint32_t max) override;
    void rx_release() override;
    uint8_t* tx_reserve(uint32_t head_len) override;
    void tx_commit(const TxFrame& frame) override;
    void flush() override;
    int wait_fd() const override { return own_fifo_; }
    void arm() override;
    void disarm() override;
    void tick() override { peer_gone_ = !byte_locked(fd_, 1 - end_); }

private:
    bool open_file(std::string* err);
    bool set_up(std::string* err);
    bool map_all(std::string* err);
    uint8_t* map_ring(int index);
    bool open_fifos(std::string* err);
    void publish();

    std::string path_;
    int fd_ = -1;
    int own_fifo_ = -1;
    int peer_fifo_ = -1;
    int end_ = 0;
    LinkHeader* header_ = nullptr;
    LinkEnd* own_ = nullptr;
    LinkEnd* peer_ = nullptr;
    uint8_t* tx_ = nullptr;
    uint8_t* rx_ = nullptr;
    uint32_t prod_ = 0;         // own_->prod, and what is not published yet
    uint32_t cons_ = 0;         // read so far; own_->cons follows at rx_release()
    uint32_t unpublished_ = 0;  // frames
    bool sent_ = false;         // since the last flush
    bool peer_gone_ = false;    // nobody at the other end: a full ring drops
    bool reserved_drop_ = false;
    uint8_t scratch_[kMaxHead];
};

bool LinkPort::open(const std::string& path, std::string* err)
{
    path_ = path.find('/') == std::string::npos ? "/dev/shm/eta-link-" + path : path;
    if (!open_file(err) || !map_all(err) || !open_fifos(err)) {
        lock_byte(fd_, kLockSetup, F_UNLCK, false);
        return false;
    }
    lock_byte(fd_, kLockSetup, F_UNLCK, false);
    own_ = &header_->end[end_];
    peer_ = &header_->end[1 - end_];
    prod_ = eta_load_once(&own_->prod);
    cons_ = eta_load_once(&own_->cons);
    eta_store_once(&own_->asleep, 0u);
    tick();
    mac_from_name(path_, caps_.mac);
    caps_.mac[5] = static_cast<uint8_t>((caps_.mac[5] & ~1) | end_);
    caps_.mtu = 1500;
    caps_.tso_max = kTsoMax;
    caps_.csum_offload = true;
    return true;
}

// Leaves with the set-up lock held, on the file that has the name now.
bool LinkPort::open_file(std::string* err)
{
    for (int tries = 0; tries < 100; tries++) {
        fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        struct stat st;
        if (fd_ < 0 || lock_byte(fd_, kLockSetup, F_WRLCK, true) != 0 || fstat(fd_, &st) != 0)
            break;
        if (st.st_nlink > 0) return set_up(err);
        close(fd_);  // the last end went away and took the file with it
        fd_ = -1;
    }
    *err = "link " + path_ + ": " + std::strerror(errno);
    return false;
}

bool LinkPort::set_up(std::string* err)
{
    struct stat st;
    if (fstat(fd_, &st) != 0 || !S_ISREG(st.st_mode)) {
        *err = "link " + path_ + ": not a regular file";
        return false;
    }
    if (st.st_size != 0 && st.st_size != kFileBytes) {
        *err = "link " + path_ + ": exists and is not a link file";
        return false;
    }
    if (st.st_size == 0 && ftruncate(fd_, kFileBytes) != 0) {
        *err = "link " + path_ + ": " + std::strerror(errno);
        return false;
    }
    for (end_ = 0; end_ < 2; end_++)
        if (lock_byte(fd_, end_, F_WRLCK, false) == 0) return true;
    end_ = 0;
    *err = "link " + path_ + ": both ends are in use";
    return false;
}

uint8_t* LinkPort::map_ring(int index)
{
    off_t off = ETA_PAGE + static_cast<off_t>(index) * kRingBytes;
    void* base =
        mmap(nullptr, 2 * size_t{kRingBytes}, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return nullptr;
    auto* p = static_cast<uint8_t*>(base);
    for (int half = 0; half < 2; half++) {
        void* at = mmap(p + half * size_t{kRingBytes}, kRingBytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_FIXED, fd_, off);
        if (at == MAP_FAILED) return nullptr;
    }
    return p;
}

bool LinkPort::map_all(std::string* err)
{
    void* h = mmap(nullptr, ETA_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (h != MAP_FAILED) header_ = static_cast<LinkHeader*>(h);
    tx_ = map_ring(end_);
    rx_ = map_ring(1 - end_);
    if (!header_ || !tx_ || !rx_) {
        *err = "link " + path_ + ": cannot map: " + std::strerror(errno);
        return false;
    }
    if (header_->magic == 0) {
        header_->version = kVersion;
        header_->ring_bytes = kRingBytes;
        header_->magic = kMagic;
    }
    if (header_->magic == kMagic && header_->version == kVersion &&
        header_->ring_bytes == kRingBytes)
        return true;
    *err = "link " + path_ + ": exists and is not a link file of this version";
    return false;
}

bool LinkPort::open_fifos(std::string* err)
{
    int* fds[2] = {&own_fifo_, &peer_fifo_};
    for (int i = 0; i < 2; i++) {
        int whose = i == 0 ? end_ : 1 - end_;
        std::string name = path_ + (whose == 0 ? ".wake-a" : ".wake-b");
        if (mkfifo(name.c_str(), 0600) != 0 && errno != EEXIST) break;
        *fds[i] = ::open(name.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (*fds[i] < 0) break;
    }
    if (own_fifo_ >= 0 && peer_fifo_ >= 0) return true;
    *err = "link " + path_ + ": cannot make its wake-up FIFOs: " + std::strerror(errno);
    return false;
}

LinkPort::~LinkPort()
{
    bool last = false;
    if (own_) {
        publish();
        lock_byte(fd_, kLockSetup, F_WRLCK, true);
        last = !byte_locked(fd_, 1 - end_);
    }
    if (last) {
        unlink(path_.c_str());
        unlink((path_ + ".wake-a").c_str());
        unlink((path_ + ".wake-b").c_str());
    }
    if (header_) munmap(header_, ETA_PAGE);
    if (tx_) munmap(tx_, 2 * size_t{kRingBytes});
    if (rx_) munmap(rx_, 2 * size_t{kRingBytes});
    for (int fd : {own_fifo_, peer_fifo_, fd_})
        if (fd >= 0) close(fd);
}

uint32_t LinkPort::rx_burst(RxFrame* out, uint32_t max)
{
    uint32_t avail = eta_ring_ready(&peer_->prod, cons_);
    uint32_t n = 0;
    while (n < max && avail != 0) {
        uint8_t* rec = rx_ + (cons_ & kRingMask);
        uint32_t len = eta_load_once(reinterpret_cast<uint32_t*>(rec));
        bool sane = len >= kMinFrame && len <= kMaxFrame && avail <= kRingBytes &&
                    record_bytes(len) <= avail;
        if (!sane) {  // the other end lies: nothing behind this point can be found
            cons_ += avail;
            dropped_++;
            break;
        }
        out[n++] = {rec + kDataOff, len, true};
        cons_ += record_bytes(len);
        avail -= record_bytes(len);
    }
    return n;
}

void LinkPort::rx_release()
{
    if (own_->cons != cons_) eta_ring_release(&own_->cons, cons_);
}

uint8_t* LinkPort::tx_reserve(uint32_t head_len)
{
    if (head_len > kMaxHead) return nullptr;
    reserved_drop_ = false;
    if (eta_ring_room(prod_, &peer_->cons, kRingBytes) >= kMaxRecord)
        return tx_ + (prod_ & kRingMask) + kDataOff;
    if (!peer_gone_) return nullptr;
    reserved_drop_ = true;
    return scratch_;
}

void LinkPort::tx_commit(const TxFrame& frame)
{
    uint32_t len = frame.head_len + frame.payload.len;
    if (reserved_drop_ || len > kMaxFrame || len < kMinFrame) {
        dropped_++;
        return;
    }
    uint8_t* rec = tx_ + (prod_ & kRingMask);
    uint8_t* to = rec + kDataOff + frame.head_len;
    for (uint32_t i = 0; i < frame.payload.count; i++) {
        std::memcpy(to, frame.payload.piece[i].data, frame.payload.piece[i].len);
        to += frame.payload.piece[i].len;
    }
    eta_store_once(reinterpret_cast<uint32_t*>(rec), len);
    prod_ += record_bytes(len);
    sent_ = true;
    if (++unpublished_ >= kPublishEvery) publish();
}

void LinkPort::publish()
{
    if (unpublished_ != 0) eta_ring_publish(&own_->prod, prod_);
    unpublished_ = 0;
}

void LinkPort::flush()
{
    if (!sent_) return;
    sent_ = false;
    publish();
    eta_full_barrier();  // F, matches E in arm()
    if (eta_load_once(&peer_->asleep) == 0) return;
    char byte = 1;
    if (write(peer_fifo_, &byte, 1) < 0) return;  // full: the other end has its wake-up already
}

void LinkPort::arm()
{
    eta_store_once(&own_->asleep, 1u);
    eta_full_barrier();  // E, matches F in flush()
}

void LinkPort::disarm()
{
    char bytes[64];
    eta_store_once(&own_->asleep, 0u);
    while (read(own_fifo_, bytes, sizeof bytes) == static_cast<ssize_t>(sizeof bytes)) {}
}

}  // namespace

std::unique_ptr<Port> link_open(const std::string& path, std::string* err)
{
    auto port = std::make_unique<LinkPort>();
    if (!port->open(path, err)) return nullptr;
    return port;
}

}  // namespace eta::fw
