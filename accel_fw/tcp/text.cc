// SPDX-License-Identifier: MIT
// Segment text (RFC 9293 3.10.7.4, seventh step): in order, out of order, when to acknowledge.
// Bytes are placed once, at their stream position; holes are remembered in the context.
#include "tcp/internal.h"
#include "tcp/ranges.h"

namespace eta::fw::tcp {

namespace {

// RFC 9293 3.8.6.3: an ACK for every second full segment, and within the delay for any.
void acknowledge_soon(Engine& e, eta_ctx& c)
{
    const bool local = has(c, ETA_CTX_F_LOCAL);
    const uint32_t enough = local ? kAckEveryLocal : 2 * c.mss;
    c.ack_pending++;
    if (c.rcv_nxt - c.last_ack_sent >= enough ||
        (c.ack_pending >= kAckEverySegments && !local)) {
        ack_now(e, c);
    } else if (c.delack_deadline_us == 0) {
        set_timer(e, c, c.delack_deadline_us, e.now_us + kDelackUs);
    }
}

void advance(eta_ctx& c, uint32_t bytes)
{
    c.rx_tail += bytes;
    c.rcv_nxt += bytes;
}

// A hole was filled: what waited behind it is in order now.
void merge_behind(Engine& e, eta_ctx& c)
{
    if (seq_leq(c.ooo[0].start, c.rcv_nxt)) {
        advance(c, seq_room(c.rcv_nxt, c.ooo[0].end));
        ranges_drop_below(c.ooo, &c.ooo_count, c.rcv_nxt);
    }
    ack_now(e, c);  // RFC 5681 4.2
}

}  // namespace

void take_timestamp(eta_ctx& c, const Segment& s)
{
    if (has(c, ETA_CTX_F_TS) && (s.opts & kOptTs) != 0 && seq_leq(s.seq, c.last_ack_sent) &&
        seq_geq(s.ts_val, c.ts_recent)) {
        c.ts_recent = s.ts_val;
    }
}

void trim_front(Segment& s, uint32_t bytes)
{
    Payload& p = s.payload;
    s.seq += bytes;
    p.len -= bytes;
    uint32_t gone = 0;
    while (gone < p.count && bytes >= p.piece[gone].len) {
        bytes -= p.piece[gone++].len;
    }
    for (uint32_t i = gone; i < p.count; i++) {
        p.piece[i - gone] = p.piece[i];
    }
    p.count -= gone;
    if (p.count != 0) {
        p.piece[0].data += bytes;
        p.piece[0].len -= bytes;
    }
}

void trim_back(Segment& s, uint32_t bytes)
{
    Payload& p = s.payload;
    p.len -= bytes;
    s.flags &= static_cast<uint8_t>(~(kFin | kPsh));  // they belonged to what was cut off
    while (p.count != 0 && bytes >= p.piece[p.count - 1].len) {
        bytes -= p.piece[--p.count].len;
    }
    if (p.count != 0) {
        p.piece[p.count - 1].len -= bytes;
    }
}

void text_in_order(Engine& e, eta_ctx& c, Segment& s)
{
    const uint32_t placed = dti::place(e, c, c.rx_tail, s.payload, 0, s.payload.len);
    if (placed != s.payload.len) {
        trim_back(s, s.payload.len - placed);
        ack_now(e, c);
        if (placed == 0) {
            return;
        }
    }
    advance(c, placed);
    if (c.ooo_count != 0) {
        merge_behind(e, c);
    }
    dti::received(e, c);
    acknowledge_soon(e, c);
}

void text_out_of_order(Engine& e, eta_ctx& c, Segment& s)
{
    const uint64_t pos = c.rx_tail + (s.seq - c.rcv_nxt);
    const uint32_t placed = dti::place(e, c, pos, s.payload, 0, s.payload.len);
    e.counters.bump(Counter::tcp_out_of_order);
    ack_now(e, c);  // RFC 5681 4.2: a duplicate ACK at once
    if (placed == 0) {
        return;
    }
    if (!ranges_insert(c.ooo, &c.ooo_count, ETA_OOO_MAX, s.seq, s.seq + placed)) {
        e.counters.bump(Counter::tcp_ooo_full);
        return;
    }
    c.ooo_recent = s.seq;
}

}  // namespace eta::fw::tcp
