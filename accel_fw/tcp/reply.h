// SPDX-License-Identifier: MIT
// Segments that answer without a connection: RST for strays (RFC 9293 3.10.7.1), the ACK of
// TIME_WAIT, and the RST that ends a connection at once. Best effort: lost if there is no room.
#pragma once

#include "engine.h"

namespace eta::fw::tcp {

void reply_reset(Engine& e, const Segment& s);
void reply_time_wait(Engine& e, const Segment& s, const eta_tw& tw);
void send_reset(Engine& e, const eta_ctx& c);

}  // namespace eta::fw::tcp
