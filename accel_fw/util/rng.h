// SPDX-License-Identifier: MIT
// Seeded pseudo-random numbers (splitmix64): the only source of randomness of the engine, so that
// a simulated run replays exactly (law 5). Owned by one thread. Not for keys: those come seeded
// from getrandom() in production.
#pragma once

#include <cstdint>

namespace eta::fw {

class Rng {
public:
    explicit Rng(uint64_t seed) : state_(seed) {}

    uint64_t next()
    {
        uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    // Uniform in [0, bound); bound > 0. Multiplication instead of division (law 4).
    uint32_t below(uint32_t bound)
    {
        const uint64_t low = static_cast<uint32_t>(next());
        return static_cast<uint32_t>((low * bound) >> 32);
    }

private:
    uint64_t state_;
};

}  // namespace eta::fw
