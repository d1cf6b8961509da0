// SPDX-License-Identifier: MIT
// The acknowledgement field (RFC 9293 3.10.7.4, fifth step): round-trip time, the send queue, the
// congestion window, the retransmission timer.
#include "tcp/congestion.h"
#include "tcp/internal.h"
#include "tcp/recovery.h"

namespace eta::fw::tcp {

void measure_rtt(Engine& e, eta_ctx& c, const Segment& s)
{
    if (has(c, ETA_CTX_F_RTT_BUSY)) {
        if (seq_geq(s.ack, c.rtt_seq)) {
            c.flags &= ~ETA_CTX_F_RTT_BUSY;
            rtt_sample(c, e.now_us - c.rtt_start_us);
        }
        return;
    }
    // Nothing is being timed because something was sent twice: timestamps tell which (RFC 7323 4).
    if (has(c, ETA_CTX_F_TS) && (s.opts & kOptTs) != 0 && s.ts_ecr != 0) {
        const int32_t ticks = seq_diff(timestamp_now(e, c), s.ts_ecr);
        if (ticks >= 0) {
            rtt_sample(c, (static_cast<uint64_t>(ticks) << 10) + 512);
        }
    }
}

bool ack_advance(Engine& e, eta_ctx& c, const Segment& s)
{
    const uint32_t flight = outstanding(c);
    const uint32_t acked = s.ack - c.snd_una;
    const uint32_t fin = has(c, ETA_CTX_F_FIN_SENT) && s.ack == data_end(c) + 1 ? 1 : 0;

    measure_rtt(e, c, s);
    c.snd_una = s.ack;
    c.snd_nxt = seq_max(c.snd_nxt, c.snd_una);
    c.backoff = 0;
    c.retries = 0;
    c.flags &= ~ETA_CTX_F_PROBING;
    if (acked != fin && !dti::acked(e, c, acked - fin)) {
        return false;
    }
    recovery_acked(e, c, acked, flight);
    c.rto_deadline_us = 0;
    if (c.snd_una != c.snd_max) {
        set_timer(e, c, c.rto_deadline_us, e.now_us + c.rto_us);  // RFC 6298 5.3
    }
    if (has_unsent(c)) {
        e.touch(c);
    }
    return true;
}

void challenge_ack(Engine& e, eta_ctx& c)
{
    if (c.challenge_us != 0 && e.now_us - c.challenge_us < kChallengeUs) {
        e.counters.bump(Counter::tcp_challenge_limited);
        return;
    }
    c.challenge_us = e.now_us;
    e.counters.bump(Counter::tcp_challenge_acks);
    ack_now(e, c);
}

namespace {

// RFC 5681 2: the classic definition of a duplicate ACK.
bool is_duplicate(const eta_ctx& c, const Segment& s)
{
    return s.payload.len == 0 && (s.flags & kFin) == 0 && c.snd_wnd != 0 &&
           (uint32_t{s.wnd} << c.snd_wscale) == c.snd_wnd;
}

void same_ack(Engine& e, eta_ctx& c, const Segment& s, bool news)
{
    const bool duplicate = news || is_duplicate(c, s);
    take_window(e, c, s);
    if (has(c, ETA_CTX_F_PROBING) && !has(c, ETA_CTX_F_ORPHAN)) {
        c.retries = 0;  // it answers, so its window may stay shut for ever (RFC 1122 4.2.2.17)
    }
    if (duplicate && outstanding(c) != 0) {
        duplicate_ack(e, c);
    }
}

}  // namespace

Step take_ack(Engine& e, eta_ctx& c, const Segment& s)
{
    if (seq_gt(s.ack, c.snd_max) || seq_lt(s.ack, c.snd_una - c.max_wnd)) {
        e.counters.bump(Counter::tcp_bad_ack);  // RFC 5961 5.2
        challenge_ack(e, c);
        return Step::kStop;
    }
    if (seq_lt(s.ack, c.snd_una)) {
        return Step::kNext;  // old: its text may still be new
    }
    const bool news = sack_take(c, s);
    if (s.ack == c.snd_una) {
        same_ack(e, c, s, news);
    } else {
        if (!ack_advance(e, c, s)) {
            return Step::kStop;
        }
        take_window(e, c, s);
    }
    if (fin_acked(c) && !our_fin_acked(e, c)) {
        return Step::kStop;
    }
    return Step::kNext;
}

}  // namespace eta::fw::tcp
