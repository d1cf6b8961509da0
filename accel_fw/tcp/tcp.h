// SPDX-License-Identifier: MIT
// The TCP engine as the other stages see it. Each call is one stage or one request of the
// application; none of them emits anything but tcp_output (and tcp/reply, without a connection).
#pragma once

#include "engine.h"

namespace eta::fw {

// One segment whose destination is ours to answer. `c` is its connection, or null when the hash
// holds none: then it may be for a listener, for TIME_WAIT (tw != null), or stray.
enum class Verdict : uint8_t {
    kDone,     // handled: accepted, dropped and counted, or answered
    kToOs,     // belongs to the OS stack: the caller passes the frame on, counted
};
Verdict tcp_input(Engine& e, Segment& s, eta_ctx* c, eta_tw* tw);

// Emits what is due on a connection: data, ACK, FIN, SYN, window update, probe. False: port or
// local wire full; the connection must stay touched.
[[nodiscard]] bool tcp_output(Engine& e, eta_ctx& c);

// The earliest deadline of `c` has passed (or the wheel fired early: then it is re-armed).
void tcp_expire(Engine& e, eta_ctx& c);

// Requests of the application, already validated copies.
// tcp_connect: 0, or errno / ETA_ERR_USE_OS, which the caller reports through dti::closed.
int tcp_connect(Engine& e, eta_ctx& c, const eta_connect& args);
void tcp_app_update(Engine& e, eta_ctx& c);    // tx_tail, rx_head or ctl moved
void tcp_app_shutdown(Engine& e, eta_ctx& c);  // FIN after the last byte
void tcp_app_close(Engine& e, eta_ctx& c);     // same, and nobody reads any more
void tcp_abort(Engine& e, eta_ctx& c, int err, bool send_rst);

// Goes on with a connection of an accelerator that ended: repairs what a crash may have left half
// done, arms the timers, touches it. The caller has put it back into the hash.
void tcp_resume(Engine& e, eta_ctx& c);

}  // namespace eta::fw
