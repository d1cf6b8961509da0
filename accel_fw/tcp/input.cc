// SPDX-License-Identifier: MIT
// Second stage behind the port: one segment, its connection already looked up. The fast line is
// ESTABLISHED and in order; everything else leaves at the one marked point to tcp/slow.
// Must not emit: what is due is left to tcp_output, except replies without a connection.
#include "tcp/internal.h"
#include "tcp/tcp.h"

namespace eta::fw {

namespace {

using namespace tcp;

constexpr uint32_t kSlowFlags =
    ETA_CTX_F_RECOVERY | ETA_CTX_F_ORPHAN | ETA_CTX_F_PROBING | ETA_CTX_F_FIN_AHEAD;

// With timestamps agreed, the segment must carry one that is not old (RFC 7323 5.3).
bool timestamp_plain(const eta_ctx& c, const Segment& s)
{
    return !has(c, ETA_CTX_F_TS) || ((s.opts & kOptTs) != 0 && seq_geq(s.ts_val, c.ts_recent));
}

// ESTABLISHED, next in sequence, inside the window, acknowledging nothing or something sent.
bool is_plain(const eta_ctx& c, const Segment& s)
{
    return c.state == ETA_TCP_ESTABLISHED &&
           (s.flags & (kFin | kSyn | kRst | kUrg | kAck)) == kAck && s.seq == c.rcv_nxt &&
           (c.flags & kSlowFlags) == 0 && c.ooo_count == 0 && c.dupacks == 0 && s.n_sack == 0 &&
           timestamp_plain(c, s) && s.payload.len <= c.rcv_adv - c.rcv_nxt &&
           s.ack - c.snd_una <= c.snd_max - c.snd_una &&
           (s.payload.len != 0 || s.ack != c.snd_una);
}

void fast_segment(Engine& e, eta_ctx& c, Segment& s)
{
    c.last_rx_us = e.now_us;
    take_timestamp(c, s);
    if (s.ack != c.snd_una && !ack_advance(e, c, s)) {
        return;
    }
    take_window(e, c, s);
    if (s.payload.len != 0) {
        text_in_order(e, c, s);
    }
}

}  // namespace

Verdict tcp_input(Engine& e, Segment& s, eta_ctx* c, eta_tw* tw)
{
    if (c == nullptr) {
        return no_connection_is_ours(e, s, tw) ? Verdict::kDone : Verdict::kToOs;
    }
    c->segs_in++;
    if (is_plain(*c, s)) {
        fast_segment(e, *c, s);
    } else {
        slow_segment(e, *c, s);  // <-- the one way off the fast line
    }
    return Verdict::kDone;
}

}  // namespace eta::fw
