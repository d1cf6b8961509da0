// SPDX-License-Identifier: MIT
// SipHash-2-4 (Aumasson and Bernstein, 2012) and the three uses the engine has for it.
#include "tcp/isn.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace eta::fw::tcp {

namespace {

struct SipState {
    uint64_t v0, v1, v2, v3;

    void round()
    {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }

    void absorb(uint64_t word)
    {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
};

// Domain separation: one key, three functions.
void derive(const uint64_t key[2], uint64_t use, uint64_t out[2])
{
    out[0] = key[0] ^ use;
    out[1] = key[1];
}

}  // namespace

uint64_t siphash(const uint64_t key[2], const void* data, uint32_t len)
{
    SipState s = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                  key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    const uint8_t* p = static_cast<const uint8_t*>(data);
    uint64_t word;
    uint32_t left = len;
    for (; left >= 8; left -= 8, p += 8) {
        std::memcpy(&word, p, 8);
        s.absorb(word);
    }
    word = 0;
    std::memcpy(&word, p, left);
    s.absorb(word | uint64_t{len} << 56);
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++) {
        s.round();
    }
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint32_t initial_sequence(const uint64_t key[2], const FourTuple& t, uint64_t now_us)
{
    return static_cast<uint32_t>(siphash(key, &t, sizeof t) + (now_us >> 2));
}

uint32_t timestamp_offset(const uint64_t key[2], const FourTuple& t)
{
    uint64_t k[2];
    derive(key, 1, k);
    return static_cast<uint32_t>(siphash(k, &t, offsetof(FourTuple, lport)));
}

uint32_t port_offset(const uint64_t key[2], const FourTuple& t)
{
    uint64_t k[2];
    derive(key, 2, k);
    FourTuple no_port = t;
    no_port.lport = 0;
    return static_cast<uint32_t>(siphash(k, &no_port, sizeof no_port));
}

}  // namespace eta::fw::tcp
