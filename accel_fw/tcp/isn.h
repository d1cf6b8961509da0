// SPDX-License-Identifier: MIT
// Numbers a stranger must not guess: initial sequence numbers (RFC 6528), offsets of ephemeral
// ports (RFC 6056 3.3.3) and of timestamps (RFC 7323 5.4). All from SipHash under the engine's key.
#pragma once

#include "segment.h"

namespace eta::fw::tcp {

// SipHash-2-4 of `len` bytes.
uint64_t siphash(const uint64_t key[2], const void* data, uint32_t len);

// M + F(tuple, key); M ticks every 4 microseconds.
uint32_t initial_sequence(const uint64_t key[2], const FourTuple& t, uint64_t now_us);

// Same for all connections between two hosts, so that a reused port keeps PAWS monotonic.
uint32_t timestamp_offset(const uint64_t key[2], const FourTuple& t);

// Where the search for a port to this destination begins.
uint32_t port_offset(const uint64_t key[2], const FourTuple& t);

}  // namespace eta::fw::tcp
