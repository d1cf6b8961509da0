// SPDX-License-Identifier: MIT
// DTIs whose programs get an event when the turn ends. Collected so that one full barrier serves
// the whole turn (ring_ops.h, F) and a DTI gets one entry however often something happened to it.
// One thread, no allocation after start.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace eta::fw {

struct Notice {
    uint32_t region;
    uint32_t local;
    uint32_t ctx;
};

class Notices {
public:
    explicit Notices(uint32_t n_ctx)
        : listed_(static_cast<uint8_t*>(std::calloc(n_ctx, 1))),
          list_(static_cast<Notice*>(std::calloc(n_ctx, sizeof(Notice))))
    {
    }
    ~Notices()
    {
        std::free(listed_);
        std::free(list_);
    }
    Notices(const Notices&) = delete;
    Notices& operator=(const Notices&) = delete;

    void add(uint32_t region, uint32_t local, uint32_t ctx)
    {
        if (listed_[ctx] == 0) {
            listed_[ctx] = 1;
            list_[count_++] = {region, local, ctx};
        }
    }

    uint32_t count() const { return count_; }
    const Notice& at(uint32_t i) const { return list_[i]; }

    void clear()
    {
        for (uint32_t i = 0; i < count_; i++) {
            listed_[list_[i].ctx] = 0;
        }
        count_ = 0;
    }

private:
    uint8_t* listed_;
    Notice* list_;
    uint32_t count_ = 0;
};

}  // namespace eta::fw
