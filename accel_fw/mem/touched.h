// SPDX-License-Identifier: MIT
// Contexts that tcp_output must look at before the turn ends, each once however often it is
// touched: that is what coalesces ACKs. One thread, no allocation after start. The list has room
// for every context twice: those being drained, and those touched again meanwhile.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace eta::fw {

class Touched {
public:
    explicit Touched(uint32_t n_ctx)
        : state_(static_cast<uint8_t*>(std::calloc(n_ctx, 1))),
          list_(static_cast<uint32_t*>(std::calloc(uint64_t{2} * n_ctx, sizeof(uint32_t))))
    {
    }
    ~Touched()
    {
        std::free(state_);
        std::free(list_);
    }
    Touched(const Touched&) = delete;
    Touched& operator=(const Touched&) = delete;

    void add(uint32_t index)
    {
        if (state_[index] == kIdle) {
            list_[count_++] = index;
        }
        state_[index] = kListed;
    }

    // The context is gone; its place in the list is skipped, and used again if it comes back.
    void remove(uint32_t index)
    {
        if (state_[index] == kListed) {
            state_[index] = kSkipped;
        }
    }

    uint32_t count() const { return count_; }

    // Calls fn(index) -> bool for at most `budget` members of the list as it is now. False keeps
    // the member for the next turn. Members added meanwhile wait behind those left over.
    template <typename Fn>
    void drain(uint32_t budget, Fn fn)
    {
        const uint32_t n = count_ < budget ? count_ : budget;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t index = list_[i];
            const bool live = state_[index] == kListed;
            state_[index] = kBusy;  // touching it from fn must not list it twice
            const bool done = !live || fn(index);
            if (done && state_[index] != kListed) {
                state_[index] = kIdle;
                continue;
            }
            state_[index] = kListed;
            list_[kept++] = index;
        }
        for (uint32_t i = n; i < count_; i++) {
            list_[kept++] = list_[i];
        }
        count_ = kept;
    }

private:
    enum State : uint8_t { kIdle, kListed, kSkipped, kBusy };

    uint8_t* state_;
    uint32_t* list_;
    uint32_t count_ = 0;
};

}  // namespace eta::fw
