// SPDX-License-Identifier: MIT
// What the connections of one processor share inside the TCP engine: the TIME_WAIT table's order
// and the ports the OS stack serves together with us. A cache over the pool, one thread.
#pragma once

#include <cstdint>

#include <eta/ctx.h>

namespace eta::fw {

struct Engine;

// Milliseconds that an entry still has; 0 or less: it has expired.
inline int32_t time_wait_left_ms(const eta_tw& tw, uint64_t now_us)
{
    return static_cast<int32_t>(tw.expires_ms - static_cast<uint32_t>(now_us / 1000));
}

// The table struct eta_tw[n_tw] used as a ring: oldest first, all with the same lifetime, so no
// timer is needed. When it is full the oldest connection gives way.
class TimeWait {
public:
    // The connection is over, by both FINs or by a reset (`kind`): an entry takes its place in the
    // hash. The context must be out of it by then.
    void add(Engine& e, const eta_ctx& c, uint32_t kind);
    // Takes an entry out of the hash before its time.
    void remove(Engine& e, eta_tw& tw);
    // After a crash, with an empty hash: what the table still holds goes on (law 2).
    void recover(Engine& e);
    uint32_t used() const { return used_; }

private:
    static constexpr uint32_t kReclaim = 4;  // expired entries looked at for each one added

    void drop_oldest(Engine& e);

    uint32_t oldest_ = 0;  // index
    uint32_t used_ = 0;    // slots from oldest_ on, removed ones included
};

// A set of port numbers in network byte order.
class PortSet {
public:
    void add(uint16_t port) { word_[port >> 6] |= uint64_t{1} << (port & 63); }
    bool has(uint16_t port) const { return (word_[port >> 6] >> (port & 63) & 1) != 0; }
    void add_all()
    {
        for (uint64_t& w : word_) {
            w = ~uint64_t{0};
        }
    }

private:
    uint64_t word_[1024] = {};
};

struct TcpShared {
    TimeWait time_wait;
    PortSet os_served;       // an ETA listener's port where a SYN had to go to the OS stack (E10)
    uint32_t next_port = 0;  // RFC 6056 3.3.3 next_ephemeral
};

}  // namespace eta::fw
