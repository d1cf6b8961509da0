// SPDX-License-Identifier: MIT
// Replies are made from the segment they answer; no state is kept.
#include "tcp/reply.h"

#include "tcp/emit.h"
#include "tcp/internal.h"

namespace eta::fw::tcp {

namespace {

Segment answer_to(const Segment& s, uint8_t flags)
{
    Segment out;
    out.tuple = swapped(s.tuple);
    out.hash = s.hash;
    out.flags = flags;
    out.local = s.local;
    return out;
}

void send(Engine& e, const Segment& out, const uint8_t* dmac)
{
    if (!emit(e, out, Destination{dmac, out.local, 0})) {
        e.counters.bump(Counter::tcp_reply_lost);
    }
}

}  // namespace

void reply_reset(Engine& e, const Segment& s)
{
    if ((s.flags & kRst) != 0) {
        return;
    }
    Segment out = answer_to(s, kRst);
    if ((s.flags & kAck) != 0) {
        out.seq = s.ack;
    } else {
        out.flags |= kAck;
        out.ack = s.seq + s.seq_len();
    }
    e.counters.bump(Counter::tcp_rst_sent);
    send(e, out, s.smac);
}

void reply_time_wait(Engine& e, const Segment& s, const eta_tw& tw)
{
    Segment out = answer_to(s, kAck);
    out.seq = tw.snd_nxt;
    out.ack = tw.rcv_nxt;
    out.wnd = static_cast<uint16_t>(kRcvBuf >> kRcvWscale);
    if (tw.ts_recent != 0) {
        out.opts = kOptTs;
        out.ts_val = static_cast<uint32_t>(e.now_us >> 10) + tw.ts_offset;
        out.ts_ecr = tw.ts_recent;
    }
    e.counters.bump(Counter::tcp_time_wait_acks);
    send(e, out, s.smac);
}

void send_reset(Engine& e, const eta_ctx& c)
{
    Segment out;
    out.tuple = swapped(tuple_of(c));
    out.hash = c.hash;
    out.seq = c.snd_max;  // most likely the peer's RCV.NXT (RFC 5961 3.2)
    out.flags = kRst;     // RFC 9293 3.10.5
    out.local = has(c, ETA_CTX_F_LOCAL);
    e.counters.bump(Counter::tcp_rst_sent);
    send(e, out, c.dmac);
}

}  // namespace eta::fw::tcp
