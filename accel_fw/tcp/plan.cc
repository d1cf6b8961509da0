// SPDX-License-Identifier: MIT
// See plan.h.
#include "tcp/plan.h"

#include "tcp/internal.h"
#include "tcp/recovery.h"

namespace eta::fw::tcp {

namespace {

// `len` cut down to whole segments; len below 2^16.
uint32_t whole_segments(const eta_ctx& c, uint32_t len)
{
    if (len < 2 * c.mss) {
        return len < c.mss ? 0 : c.mss;
    }
    return static_cast<uint32_t>((uint64_t{len} * c.mss_inverse) >> 32) * c.mss;
}

// Payload of one frame: one segment, or as many as the port cuts up for us.
uint32_t frame_limit(const Engine& e, const eta_ctx& c)
{
    const PortCaps& caps = e.port->caps();
    if (has(c, ETA_CTX_F_LOCAL) || caps.tso_max < 2 * c.mss || !caps.csum_offload) {
        return c.mss;
    }
    return whole_segments(c, caps.tso_max < kMaxTso ? caps.tso_max : kMaxTso);
}

// Bytes that the peer's window and the network still take.
uint32_t usable_window(const eta_ctx& c)
{
    const uint32_t offered = seq_room(c.snd_nxt, c.snd_una + c.snd_wnd);
    uint32_t cwnd = c.cwnd;
    if (!has(c, ETA_CTX_F_RECOVERY) && c.dupacks < kDupThresh) {
        cwnd += c.dupacks * c.mss;  // limited transmit (RFC 3042)
    }
    const uint32_t pipe = pipe_of(c);
    const uint32_t congested = cwnd > pipe ? cwnd - pipe : 0;
    return offered < congested ? offered : congested;
}

// The last, partial segment of the queue may go now: Nagle as Minshall has it (RFC 896; only a
// small segment already in flight holds another one back), TCP_NODELAY, TCP_CORK.
bool tail_may_go(const eta_ctx& c)
{
    if (has(c, ETA_CTX_F_LOCAL)) {
        return true;
    }
    if ((c.ctl & ETA_CTL_CORK) != 0) {
        return false;
    }
    return (c.ctl & ETA_CTL_NODELAY) != 0 || seq_leq(c.snd_sml, c.snd_una);
}

// Everything queued fits into the window and one frame.
bool plan_tail(const eta_ctx& c, bool forced, uint32_t usable, Plan* p)
{
    const uint32_t whole = whole_segments(c, p->len);
    p->fin = has(c, ETA_CTX_F_FIN_QUEUED) && usable > p->len;
    const bool again = seq_lt(c.snd_nxt, c.snd_max);
    if (whole == p->len || p->fin || forced || again || tail_may_go(c)) {
        return p->len != 0 || p->fin;
    }
    p->len = whole;
    return whole != 0;
}

// Window, network or frame allow only a part.
bool plan_part(const eta_ctx& c, bool forced, Plan* p)
{
    const uint32_t whole = whole_segments(c, p->len);
    if (whole != 0) {
        p->len = whole;
        return true;
    }
    return p->len != 0 && (forced || p->len >= c.max_wnd / 2);
}

// RFC 9293 3.8.6.1: one byte, or the FIN, that the peer's window does not cover.
bool plan_probe(const eta_ctx& c, uint32_t avail, Plan* p)
{
    p->probe = true;
    p->len = avail != 0 ? 1 : 0;
    p->fin = avail == 0;
    return outstanding(c) == 0 || seq_lt(c.snd_nxt, c.snd_max);
}

}  // namespace

bool plan_next(const Engine& e, const eta_ctx& c, Plan* p)
{
    if (!has_unsent(c)) {
        return false;
    }
    const uint32_t avail = data_end(c) - c.snd_nxt;
    const uint32_t usable = usable_window(c);
    const bool forced = has(c, ETA_CTX_F_PROBE);
    p->seq = c.snd_nxt;
    if (usable == 0) {
        return forced && plan_probe(c, avail, p);
    }
    const uint32_t limit = frame_limit(e, c);
    p->len = avail < usable ? avail : usable;
    p->len = p->len < limit ? p->len : limit;
    return p->len == avail ? plan_tail(c, forced, usable, p) : plan_part(c, forced, p);
}

Plan plan_first(const eta_ctx& c)
{
    Plan p;
    p.seq = c.snd_una;
    uint32_t end = seq_min(c.snd_max, data_end(c));
    if (c.sack_count != 0) {
        end = seq_min(end, c.sacked[0].start);
    }
    p.len = seq_room(p.seq, end);
    p.len = p.len < c.mss ? p.len : c.mss;
    p.fin = has(c, ETA_CTX_F_FIN_SENT) && p.seq + p.len == data_end(c);
    return p;
}

void planned_sent(eta_ctx& c, const Plan& p, uint32_t end)
{
    c.snd_nxt = end;
    c.flags &= ~ETA_CTX_F_PROBE;
    if (p.probe) {
        c.flags |= ETA_CTX_F_PROBING;
    }
    if (whole_segments(c, p.len) != p.len) {
        c.snd_sml = end;
    }
}

}  // namespace eta::fw::tcp
