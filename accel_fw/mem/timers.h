// SPDX-License-Identifier: MIT
// One hashed timing wheel for all connections: each context has at most one entry, at the
// earliest of its deadlines. Moving a deadline later costs nothing: the entry fires early and the
// owner re-arms it. Rebuilt from the contexts after a crash. One thread, no allocation after start.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace eta::fw {

class Timers {
public:
    static constexpr uint32_t kSlots = 4096;
    static constexpr uint32_t kTickShift = 10;  // a tick is 1024 us, the horizon 4.2 s

    explicit Timers(uint32_t n_ctx);
    ~Timers();
    Timers(const Timers&) = delete;
    Timers& operator=(const Timers&) = delete;

    // Makes sure that `index` fires no later than a tick after deadline_us. 0: leave it as it is.
    void update(uint32_t index, uint64_t deadline_us)
    {
        if (deadline_us == 0) {
            return;
        }
        uint64_t tick = (deadline_us >> kTickShift) + 1;
        if (entry_[index].tick == 0 || tick < entry_[index].tick) {
            move(index, tick);
        }
    }

    void remove(uint32_t index)
    {
        if (entry_[index].tick != 0) {
            unlink(index);
        }
    }

    // Calls fn(index) for entries that are due, at most `budget`; the entry is gone by then.
    template <typename Fn>
    uint32_t expire(uint64_t now_us, uint32_t budget, Fn fn)
    {
        const uint64_t now_tick = now_us >> kTickShift;
        uint32_t fired = 0;
        if (armed_ == 0 || now_tick_ > now_tick) {
            now_tick_ = armed_ == 0 ? now_tick : now_tick_;
            return 0;
        }
        if (now_tick - now_tick_ >= kSlots) {
            now_tick_ = now_tick - kSlots + 1;  // every slot once is enough after a long pause
        }
        while (now_tick_ <= now_tick) {
            fired += expire_slot(now_tick, budget - fired, fn);
            if (fired == budget) {
                return fired;  // this slot again next turn
            }
            now_tick_++;
        }
        now_tick_ = now_tick;
        return fired;
    }

    // Upper bound of a safe sleep: the earliest tick in the wheel, microseconds; 0: none armed.
    uint64_t next_us() const;
    uint32_t armed() const { return armed_; }

private:
    struct Entry {
        uint64_t tick;  // absolute tick it wants; 0: not linked
        uint32_t next;
        uint32_t prev;  // 0: head of the slot
        uint32_t slot;
        uint32_t pad;
    };

    template <typename Fn>
    uint32_t expire_slot(uint64_t now_tick, uint32_t budget, Fn fn)
    {
        uint32_t fired = 0;
        uint32_t index = head_[now_tick_ & (kSlots - 1)];
        while (index != 0 && fired < budget) {
            uint32_t next = entry_[index].next;
            uint64_t tick = entry_[index].tick;
            if (tick <= now_tick) {
                unlink(index);
                fn(index);
                fired++;
                next = head_[now_tick_ & (kSlots - 1)];  // fn may have changed the list
                if (fired == budget) {
                    break;
                }
            }
            index = next;
        }
        return fired;
    }

    void move(uint32_t index, uint64_t tick);
    void unlink(uint32_t index);

    Entry* entry_;
    uint32_t head_[kSlots] = {};
    uint64_t now_tick_ = 0;
    uint32_t armed_ = 0;
};

}  // namespace eta::fw
