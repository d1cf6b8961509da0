// SPDX-License-Identifier: MIT
// Finding and repairing loss without a timeout: duplicate ACKs, NewReno (RFC 6582), and where the
// peer reports SACK blocks, the scoreboard and pipe of RFC 6675. Only decides; tcp_output sends.
#pragma once

#include "engine.h"

namespace eta::fw::tcp {

// SACK blocks of an incoming segment. True: they told something new.
bool sack_take(eta_ctx& c, const Segment& s);

// A duplicate ACK (RFC 5681 2, or RFC 6675 2).
void duplicate_ack(Engine& e, eta_ctx& c);

// snd_una moved by `acked` while `flight` bytes had been outstanding.
void recovery_acked(Engine& e, eta_ctx& c, uint32_t acked, uint32_t flight);

// The timer gave up on everything outstanding (RFC 5681 3.1, RFC 6582 4.1).
void recovery_timeout(eta_ctx& c);

// Bytes thought to be in the network (RFC 6675 4); outside recovery simply what is outstanding.
uint32_t pipe_of(const eta_ctx& c);

// The next lost range to send again, below HighRxt none. False: nothing known to be lost.
bool next_hole(const eta_ctx& c, uint32_t* seq, uint32_t* len);

}  // namespace eta::fw::tcp
