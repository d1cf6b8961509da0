// SPDX-License-Identifier: MIT
// Test harness: frames of a run, kept in memory and written as a pcap file only if wanted.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "harness/frame.h"

namespace eta::test {

class Pcap {
public:
    // Keeps frames only once enabled: a run that passes should cost nothing.
    void enable() { on_ = true; }
    bool on() const { return on_; }

    void add(uint64_t now_us, const Bytes& frame) {
        if (!on_)
            return;
        u32(static_cast<uint32_t>(now_us / 1'000'000));
        u32(static_cast<uint32_t>(now_us % 1'000'000));
        u32(static_cast<uint32_t>(frame.size()));
        u32(static_cast<uint32_t>(frame.size()));
        data_.insert(data_.end(), frame.begin(), frame.end());
    }

    bool write(const std::string& path) const {
        std::FILE* f = std::fopen(path.c_str(), "wb");
        if (!f)
            return false;
        const uint32_t head[] = {0xa1b2c3d4u, 0x00040002u, 0, 0, 65535, 1};  // LINKTYPE_ETHERNET
        std::fwrite(head, sizeof head, 1, f);
        std::fwrite(data_.data(), 1, data_.size(), f);
        return std::fclose(f) == 0;
    }

private:
    void u32(uint32_t v) {
        const uint8_t* p = reinterpret_cast<const uint8_t*>(&v);
        data_.insert(data_.end(), p, p + 4);
    }

    bool on_ = false;
    Bytes data_;
};

}  // namespace eta::test
