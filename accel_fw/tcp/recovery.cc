// SPDX-License-Identifier: MIT
// See recovery.h. With SACK the window counts what is in the network (pipe); without, it is
// inflated by duplicate ACKs, as RFC 6582 has it.
#include "tcp/recovery.h"

#include "tcp/congestion.h"
#include "tcp/internal.h"
#include "tcp/ranges.h"

namespace eta::fw::tcp {

namespace {

bool sack_recovery(const eta_ctx& c)
{
    return has(c, ETA_CTX_F_SACK) && c.sack_count != 0;
}

// Everything not reported below this edge counts as lost: three ranges or more than two full
// segments were reported above it (RFC 6675 4, IsLost).
uint32_t lost_edge(const eta_ctx& c)
{
    uint32_t bytes = 0;
    for (uint32_t i = c.sack_count; i != 0; i--) {
        const eta_ooo& r = c.sacked[i - 1];
        bytes += r.end - r.start;
        if (bytes > (kDupThresh - 1) * c.mss || c.sack_count - i + 1 >= kDupThresh) {
            return r.start;
        }
    }
    return c.snd_una;
}

// Bytes of [from, to) that were not reported.
uint32_t holes_between(const eta_ctx& c, uint32_t from, uint32_t to)
{
    uint32_t sum = seq_room(from, to);
    for (uint32_t i = 0; i < c.sack_count; i++) {
        sum -= seq_room(seq_max(from, c.sacked[i].start), seq_min(to, c.sacked[i].end));
    }
    return sum;
}

// RFC 6582 3.2: not again for losses the last recovery or timeout already knows of. With SACK a
// duplicate ACK after the end of that window is proof enough.
bool may_enter(const eta_ctx& c)
{
    return sack_recovery(c) ? seq_geq(c.snd_una, c.recover) : seq_gt(c.snd_una, c.recover);
}

void enter(Engine& e, eta_ctx& c)
{
    c.ssthresh = congestion_of(c).lost(c, outstanding(c));
    c.recover = c.snd_max;
    c.high_rxt = c.snd_una;
    c.cwnd = sack_recovery(c) ? c.ssthresh : c.ssthresh + kDupThresh * c.mss;
    c.flags |= ETA_CTX_F_RECOVERY | ETA_CTX_F_REXMIT;
    c.flags &= ~ETA_CTX_F_RTT_BUSY;
    e.counters.bump(Counter::tcp_fast_retransmits);
    e.touch(c);
}

void leave(eta_ctx& c)
{
    const uint32_t flight = outstanding(c) > c.mss ? outstanding(c) : c.mss;
    const uint32_t safe = flight + c.mss;  // RFC 6582 3.2, full acknowledgement, option 1
    c.cwnd = c.ssthresh < safe ? c.ssthresh : safe;
    c.flags &= ~ETA_CTX_F_RECOVERY;
    c.dupacks = 0;
}

void partial_ack(Engine& e, eta_ctx& c, uint32_t acked)
{
    c.high_rxt = seq_max(c.high_rxt, c.snd_una);
    if (c.high_rxt == c.snd_una) {
        c.flags |= ETA_CTX_F_REXMIT;  // what was sent again has arrived; the next hole begins here
    }
    if (!sack_recovery(c)) {
        c.flags |= ETA_CTX_F_REXMIT;
        c.cwnd -= acked < c.cwnd ? acked : c.cwnd;
        c.cwnd += acked >= c.mss ? c.mss : 0;
        c.cwnd = c.cwnd < c.mss ? c.mss : c.cwnd;
    }
    e.touch(c);
}

}  // namespace

bool sack_take(eta_ctx& c, const Segment& s)
{
    if (!has(c, ETA_CTX_F_SACK)) {
        return false;
    }
    const uint32_t before = ranges_total(c.sacked, c.sack_count);
    for (uint32_t i = 0; i < s.n_sack; i++) {
        const SackBlock& b = s.sack[i];
        if (seq_lt(b.start, b.end) && seq_gt(b.start, c.snd_una) && seq_leq(b.end, c.snd_max)) {
            // A block for which there is no room is only a hint lost.
            (void)ranges_insert(c.sacked, &c.sack_count, ETA_SACK_MAX, b.start, b.end);
        }
    }
    return ranges_total(c.sacked, c.sack_count) != before;
}

void duplicate_ack(Engine& e, eta_ctx& c)
{
    c.dupacks++;
    e.counters.bump(Counter::tcp_dupacks);
    if (has(c, ETA_CTX_F_RECOVERY)) {
        if (!sack_recovery(c)) {
            c.cwnd += c.mss;
        }
        e.touch(c);
        return;
    }
    const bool lost = c.dupacks >= kDupThresh || seq_gt(lost_edge(c), c.snd_una);
    if (lost && may_enter(c)) {
        enter(e, c);
    } else if (has_unsent(c)) {
        e.touch(c);  // limited transmit (RFC 3042)
    }
}

void recovery_acked(Engine& e, eta_ctx& c, uint32_t acked, uint32_t flight)
{
    ranges_drop_below(c.sacked, &c.sack_count, c.snd_una);
    if (!has(c, ETA_CTX_F_RECOVERY)) {
        c.dupacks = 0;
        congestion_of(c).acked(c, acked, flight);
    } else if (seq_geq(c.snd_una, c.recover)) {
        leave(c);
    } else {
        partial_ack(e, c, acked);
    }
}

void recovery_timeout(eta_ctx& c)
{
    if (c.backoff == 0) {  // once for one window of losses (RFC 5681 3.1)
        c.ssthresh = congestion_of(c).lost(c, outstanding(c));
    }
    congestion_of(c).timeout(c);
    c.recover = c.snd_max;
    c.dupacks = 0;
    c.sack_count = 0;  // the peer may have dropped what it reported (RFC 2018 8)
    c.flags &= ~(ETA_CTX_F_RECOVERY | ETA_CTX_F_REXMIT | ETA_CTX_F_RTT_BUSY);
    c.snd_nxt = c.snd_una;
}

uint32_t pipe_of(const eta_ctx& c)
{
    if (!has(c, ETA_CTX_F_RECOVERY) || !sack_recovery(c)) {
        return c.snd_nxt - c.snd_una;
    }
    const uint32_t reported = ranges_total(c.sacked, c.sack_count);
    const uint32_t resent = seq_max(c.high_rxt, c.snd_una);
    return outstanding(c) - reported - holes_between(c, resent, lost_edge(c));
}

bool next_hole(const eta_ctx& c, uint32_t* seq, uint32_t* len)
{
    if (!has(c, ETA_CTX_F_RECOVERY) || !sack_recovery(c)) {
        return false;
    }
    uint32_t at = seq_max(c.high_rxt, c.snd_una);
    for (uint32_t i = 0; i < c.sack_count; i++) {
        if (seq_lt(at, c.sacked[i].start)) {
            break;
        }
        at = seq_max(at, c.sacked[i].end);
    }
    const uint32_t edge = lost_edge(c);
    if (!seq_lt(at, edge)) {
        return false;
    }
    uint32_t end = edge;
    for (uint32_t i = 0; i < c.sack_count; i++) {
        if (seq_gt(c.sacked[i].start, at)) {
            end = seq_min(end, c.sacked[i].start);
            break;
        }
    }
    *seq = at;
    *len = end - at < c.mss ? end - at : c.mss;
    return true;
}

}  // namespace eta::fw::tcp
