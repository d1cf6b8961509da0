// SPDX-License-Identifier: MIT
// The lock of the adaptation layer: one word, a single atomic when nobody else wants it, nothing
// at all while the process has one thread. Held for the length of one operation, never while
// blocking. Works between processes (not FUTEX_PRIVATE) for regions that were inherited by fork.
#pragma once

#include <linux/futex.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace eta::al {

class Mutex {
public:
    void lock()
    {
        uint32_t free = 0;
        if (!__atomic_compare_exchange_n(&word_, &free, 1, false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED)) {
            lock_slow();
        }
    }

    void unlock()
    {
        if (__atomic_exchange_n(&word_, 0, __ATOMIC_RELEASE) == 2) {
            futex(FUTEX_WAKE, 1);
        }
    }

    // In the child after fork: the holder may be a thread that does not exist here.
    void reset() { word_ = 0; }

private:
    static constexpr int kSpins = 200;

    void lock_slow()
    {
        for (int i = 0; i < kSpins; i++) {
            uint32_t free = 0;
            if (__atomic_load_n(&word_, __ATOMIC_RELAXED) == 0 &&
                __atomic_compare_exchange_n(&word_, &free, 1, false, __ATOMIC_ACQUIRE,
                                            __ATOMIC_RELAXED)) {
                return;
            }
            __builtin_ia32_pause();
        }
        while (__atomic_exchange_n(&word_, 2, __ATOMIC_ACQUIRE) != 0) {
            futex(FUTEX_WAIT, 2);
        }
    }

    void futex(int op, uint32_t value);

    uint32_t word_ = 0;  // 0 free, 1 held, 2 held and somebody waits
};

// Process-wide lock, and the region's own as well once the region is shared with another process.
struct Region;
class Guard {
public:
    explicit Guard(Region* r);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

private:
    Mutex* process_;
    Mutex* region_;
};

}  // namespace eta::al
