// SPDX-License-Identifier: MIT
// Linking and unlinking of timing wheel entries. Index 0 is no context and ends each list.
#include "mem/timers.h"

namespace eta::fw {

Timers::Timers(uint32_t n_ctx) : entry_(static_cast<Entry*>(std::calloc(n_ctx, sizeof(Entry)))) {}

Timers::~Timers()
{
    std::free(entry_);
}

void Timers::move(uint32_t index, uint64_t tick)
{
    if (entry_[index].tick != 0) {
        unlink(index);
    }
    if (tick <= now_tick_) {
        tick = now_tick_ + 1;
    }
    // Beyond the horizon the entry fires early and its owner re-arms it.
    if (tick - now_tick_ >= kSlots) {
        tick = now_tick_ + kSlots - 1;
    }
    const uint32_t slot = tick & (kSlots - 1);
    Entry& en = entry_[index];
    en.tick = tick;
    en.slot = slot;
    en.prev = 0;
    en.next = head_[slot];
    if (en.next != 0) {
        entry_[en.next].prev = index;
    }
    head_[slot] = index;
    armed_++;
}

void Timers::unlink(uint32_t index)
{
    Entry& en = entry_[index];
    if (en.prev != 0) {
        entry_[en.prev].next = en.next;
    } else {
        head_[en.slot] = en.next;
    }
    if (en.next != 0) {
        entry_[en.next].prev = en.prev;
    }
    en.tick = 0;
    armed_--;
}

uint64_t Timers::next_us() const
{
    if (armed_ == 0) {
        return 0;
    }
    for (uint64_t i = 0; i < kSlots; i++) {
        if (head_[(now_tick_ + i) & (kSlots - 1)] != 0) {
            return (now_tick_ + i) << kTickShift;
        }
    }
    return now_tick_ << kTickShift;
}

}  // namespace eta::fw
