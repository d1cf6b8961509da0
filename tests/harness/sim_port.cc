// SPDX-License-Identifier: MIT
// Test harness: see sim_port.h.
#include "harness/sim_port.h"

#include <algorithm>
#include <cstring>

namespace eta::test {

namespace {
constexpr size_t kIpAt = 14;
}

SimPort::SimPort(const Options& options) : options_(options) {
    std::copy(options.mac.begin(), options.mac.end(), caps_.mac);
    caps_.mtu = options.mtu;
    caps_.tso_max = options.tso_max;
    caps_.csum_offload = options.csum_offload;
}

void SimPort::called() {
    if (crash_in_ != 0 && --crash_in_ == 0)
        throw Crash{};
}

void SimPort::drop_all() {
    rx_.clear();
    lent_.clear();
    queued_.clear();
    reserved_ = false;
    crash_in_ = 0;
}

uint32_t SimPort::rx_burst(fw::RxFrame* out, uint32_t max) {
    called();
    uint32_t n = 0;
    for (; n < max && !rx_.empty(); n++) {
        lent_.push_back(std::move(rx_.front()));
        rx_.pop_front();
        Bytes& f = lent_.back();
        bool valid = options_.rx_csum_valid && decode(f, nullptr).has_value();
        out[n] = fw::RxFrame{f.data(), static_cast<uint32_t>(f.size()), valid};
    }
    return n;
}

void SimPort::rx_release() {
    called();
    // The engine must not look at a frame after giving it back: make that visible.
    for (Bytes& f : lent_)
        std::fill(f.begin(), f.end(), 0xdb);
    lent_.clear();
}

uint8_t* SimPort::tx_reserve(uint32_t head_len) {
    called();
    if (queued_.size() >= options_.tx_room)
        return nullptr;
    if (reserved_)
        bad_offload++;  // a reserve without its commit
    reserved_ = true;
    head_.assign(head_len, 0xcc);
    return head_.data();
}

void SimPort::tx_commit(const fw::TxFrame& frame) {
    called();
    if (!reserved_ || frame.head != head_.data() || frame.head_len > head_.size()) {
        bad_offload++;
        return;
    }
    reserved_ = false;
    Bytes whole(head_.begin(), head_.begin() + frame.head_len);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < frame.payload.count; i++) {
        const fw::Piece& p = frame.payload.piece[i];
        whole.insert(whole.end(), p.data, p.data + p.len);
        sum += p.len;
    }
    if (sum != frame.payload.len)
        bad_offload++;
    if (frame.gso_size && frame.payload.len > frame.gso_size)
        segment(frame, whole);
    else
        finish(frame, whole);
}

// Completes the checksum from csum_start on, as virtio-net defines it.
void SimPort::finish(const fw::TxFrame& frame, Bytes& whole) {
    if (frame.csum_start) {
        if (!caps_.csum_offload || frame.csum_start + frame.csum_offset + 2u > whole.size()) {
            bad_offload++;
            return;
        }
        uint16_t sum = sum16(&whole[frame.csum_start], whole.size() - frame.csum_start);
        put16(&whole[frame.csum_start + frame.csum_offset], static_cast<uint16_t>(~sum));
    }
    emit(std::move(whole));
}

void SimPort::segment(const fw::TxFrame& frame, const Bytes& whole) {
    const uint8_t* ip = &whole[kIpAt];
    uint32_t tcp_len = static_cast<uint32_t>(whole.size()) - frame.csum_start;
    uint16_t ps = pseudo_sum(get32(ip + 12), get32(ip + 16), kProtoTcp, tcp_len);
    bool sum_ok = frame.csum_start && get16(&whole[frame.csum_start + frame.csum_offset]) == ps;
    if (frame.payload.len > caps_.tso_max || !caps_.csum_offload || !sum_ok) {
        bad_offload++;
        return;
    }
    uint32_t tcp_at = frame.csum_start;
    uint32_t seq = get32(&whole[tcp_at + 4]);
    uint16_t ip_id = get16(ip + 4);
    for (uint32_t off = 0; off < frame.payload.len; off += frame.gso_size) {
        uint32_t n = std::min<uint32_t>(frame.gso_size, frame.payload.len - off);
        Bytes f(whole.begin(), whole.begin() + frame.head_len);
        f.insert(f.end(), whole.begin() + frame.head_len + off,
                 whole.begin() + frame.head_len + off + n);
        put16(&f[kIpAt + 2], static_cast<uint16_t>(f.size() - kIpAt));
        put16(&f[kIpAt + 4], ip_id++);
        put32(&f[tcp_at + 4], seq + off);
        if (off + n < frame.payload.len)
            f[tcp_at + 13] &= static_cast<uint8_t>(~(kF | kP));
        fix_checksums(f);
        emit(std::move(f));
    }
}

void SimPort::emit(Bytes frame) {
    if (frame.size() > kIpAt + caps_.mtu) {
        bad_offload++;
        dropped_++;
        return;
    }
    tx_frames++;
    queued_.push_back(std::move(frame));
}

void SimPort::flush() {
    called();
    while (!queued_.empty()) {
        Bytes f = std::move(queued_.front());
        queued_.pop_front();
        if (sink)
            sink(std::move(f));
    }
}

}  // namespace eta::test
