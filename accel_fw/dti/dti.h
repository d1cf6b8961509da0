// SPDX-License-Identifier: MIT
// The DTI accelerator as the TCP engine sees it: placing received bytes, gathering bytes to send,
// telling the application. The application's memory is hostile (law 3): everything it writes is
// read once into a local and checked here; a bad value closes that DTI and nothing else.
#pragma once

#include "engine.h"

namespace eta::fw::dti {

// Copies payload bytes [skip, skip + len) to stream position `pos` of the receive queue, in or out
// of order. Returns the bytes placed, fewer when the pool or the queue is exhausted (counted).
uint32_t place(Engine& e, eta_ctx& c, uint64_t pos, const Payload& p, uint32_t skip, uint32_t len);

// rx_tail moved, or the peer's FIN was consumed: publish and raise an event.
void received(Engine& e, eta_ctx& c);

// Describes up to `max` bytes that lie `off` bytes behind snd_una in the send queue. False: the
// application's queue makes no sense; the DTI has been closed (the context is gone).
[[nodiscard]] bool gather(Engine& e, eta_ctx& c, uint32_t off, uint32_t max, Payload* out);

// `bytes` more were acknowledged: advances tx_acked, sq_una and the application's view of them,
// with an event if it asked for one. False: as gather().
[[nodiscard]] bool acked(Engine& e, eta_ctx& c, uint32_t bytes);

// The handshake is complete: publishes names and state; active open raises an event, passive open
// goes to the accept ring of its master (E14).
void established(Engine& e, eta_ctx& c);

// The connection is over. Publishes CLOSED with `err` (0: orderly), takes back receive buffers,
// removes the context from hash, timers and touched list, and frees it.
void closed(Engine& e, eta_ctx& c, int err);

// A free child DTI of the listener's replica with room in its backlog, reset and bound to the
// region, in state FREE for the caller to fill; null if none.
eta_ctx* take_child(Engine& e, uint32_t listener);

// Finds the listener for an address: exact address first, then any; round robin among replicas
// that have children. 0: none. `have_port`: some replica listens there, even if it has no child.
uint32_t find_listener(Engine& e, const uint8_t* addr, uint16_t port_be, bool* have_port);

}  // namespace eta::fw::dti
