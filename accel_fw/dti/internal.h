// SPDX-License-Identifier: MIT
// What the files of the DTI accelerator share among themselves and with the loop.
#pragma once

#include <cstring>

#include "engine.h"

namespace eta::fw::dti {

// One copy of a send queue entry: hostile memory, so what is checked is the copy.
inline eta_sqe read_entry(const eta_sqe* queue, uint32_t index)
{
    eta_sqe q;
    const volatile uint64_t* from =
        reinterpret_cast<const volatile uint64_t*>(&queue[index & (ETA_SQ_DEPTH - 1)]);
    const uint64_t words[2] = {from[0], from[1]};
    std::memcpy(&q, words, sizeof q);
    return q;
}

// The application broke a rule: count it, reset the connection, close the DTI with EPROTO.
void close_bad(Engine& e, eta_ctx& c, Counter why);

// Something the application should know: an event at the end of the turn.
inline void notify(Engine& e, const eta_ctx& c)
{
    e.notices.add(c.region, c.local, e.index_of(c));
}

// A new connection begins on a free DTI: clears context and status block, gives it a new `gen`.
void begin(Engine& e, eta_ctx& c, uint32_t region, uint32_t local);

// Takes back receive buffers the application has read past, and the last one when all is read.
void release_read(Engine& e, eta_ctx& c);
// Takes back all of them.
void release_all(Engine& e, eta_ctx& c);

// The region goes away and none of its connections is left: its contexts forget their queues.
void forget(Engine& e, RegionView& r);

// Stages of the loop.
void look(Engine& e);                     // notes how far the doorbell rings are filled
uint32_t fetch(Engine& e);                // doorbells and child rings
// After a crash: what was under way between context and status block is finished.
void publish_again(Engine& e, eta_ctx& c);  // of a connection
void settle_free(RegionView& r, const eta_ctx& c, uint32_t local);  // of a DTI without one
void refetch_all(Engine& e, RegionView& r);  // every DTI of a region, after a crash
void announce_all(Engine& e, RegionView& r);  // an event for every DTI, after a crash
uint32_t finish_dying(Engine& e);         // connections of programs that are gone; bounded
void publish_events(Engine& e);           // event rings; marks regions that want an interrupt

}  // namespace eta::fw::dti
