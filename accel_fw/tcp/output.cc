// SPDX-License-Identifier: MIT
// The only stage that emits for a connection (design, section 7): what is lost, what is new, what
// is owed. Runs once for each touched connection and turn, so ACKs coalesce by themselves.
// Bounded work for each call; never waits: a full wire keeps the connection touched.
#include "tcp/congestion.h"
#include "tcp/emit.h"
#include "tcp/internal.h"
#include "tcp/plan.h"
#include "tcp/recovery.h"
#include "tcp/tcp.h"

namespace eta::fw {

namespace tcp {

namespace {

enum class Sent : uint8_t { kDone, kFull, kGone };

constexpr Payload kNoPayload = {};

// RFC 2018 4: the newest range first.
void put_sack(const eta_ctx& c, Segment* s)
{
    uint32_t newest = 0;
    for (uint32_t i = 0; i < c.ooo_count; i++) {
        if (seq_leq(c.ooo[i].start, c.ooo_recent) && seq_lt(c.ooo_recent, c.ooo[i].end)) {
            newest = i;
        }
    }
    s->sack[s->n_sack++] = {c.ooo[newest].start, c.ooo[newest].end};
    for (uint32_t i = 0; i < c.ooo_count && s->n_sack < kMaxSackBlocks; i++) {
        if (i != newest) {
            s->sack[s->n_sack++] = {c.ooo[i].start, c.ooo[i].end};
        }
    }
}

void put_syn_options(const Engine& e, const eta_ctx& c, Segment* s)
{
    s->wnd = kMaxWindowField;
    s->opts = kOptMss;
    s->mss = static_cast<uint16_t>(own_mss(e, c));
    if (has(c, ETA_CTX_F_WSCALE)) {
        s->opts |= kOptWscale;
        s->wscale = c.rcv_wscale;
    }
    if (has(c, ETA_CTX_F_SACK)) {
        s->opts |= kOptSackPermitted;
    }
}

// What an emitted ACK settles.
void acknowledged(eta_ctx& c)
{
    c.flags &= ~ETA_CTX_F_ACK_NOW;
    c.ack_pending = 0;
    c.delack_deadline_us = 0;
    c.last_ack_sent = c.rcv_nxt;
}

void fill(Engine& e, eta_ctx& c, uint32_t seq, uint8_t flags, Segment* s)
{
    std::memcpy(s->tuple.laddr, c.raddr, sizeof c.raddr);
    std::memcpy(s->tuple.raddr, c.laddr, sizeof c.laddr);
    s->tuple.lport = c.rport;
    s->tuple.rport = c.lport;
    s->hash = c.hash;
    s->seq = seq;
    s->flags = flags;
    if ((flags & kSyn) != 0) {
        put_syn_options(e, c, s);
    } else {
        s->wnd = advertise_window(c);
    }
    if ((flags & kAck) != 0) {
        s->ack = c.rcv_nxt;
    }
    if (has(c, ETA_CTX_F_TS)) {
        s->opts |= kOptTs;
        s->ts_val = timestamp_now(e, c);
        s->ts_ecr = c.ts_recent;
    }
}

bool emit_local(Engine& e, eta_ctx& c, uint32_t seq, uint8_t flags, const Payload& payload)
{
    Segment* s = local_slot(e);
    if (s == nullptr) {
        return false;
    }
    fill(e, c, seq, flags, s);
    s->payload = payload;
    return true;
}

bool emit_wire(Engine& e, eta_ctx& c, uint32_t seq, uint8_t flags, const Payload& payload)
{
    Segment s;
    fill(e, c, seq, flags, &s);
    s.payload = payload;
    if (c.ooo_count != 0 && has(c, ETA_CTX_F_SACK) && payload.len == 0) {
        put_sack(c, &s);
    }
    const uint16_t gso = payload.len > c.mss ? static_cast<uint16_t>(c.mss) : 0;
    return emit(e, s, Destination{c.dmac, false, gso});
}

// One segment. False: no room now.
bool emit_segment(Engine& e, eta_ctx& c, uint32_t seq, uint8_t flags, const Payload& payload)
{
    const bool sent = has(c, ETA_CTX_F_LOCAL) ? emit_local(e, c, seq, flags, payload)
                                              : emit_wire(e, c, seq, flags, payload);
    if (!sent) {
        return false;
    }
    c.segs_out++;
    if ((flags & kAck) != 0) {
        acknowledged(c);
    }
    return true;
}

// Bookkeeping of sequence space [seq, end) that went out.
void note_sent(Engine& e, eta_ctx& c, uint32_t seq, uint32_t end)
{
    if (seq_lt(seq, c.snd_max)) {
        c.retrans++;
        c.flags &= ~ETA_CTX_F_RTT_BUSY;  // Karn: which copy is acknowledged, nobody knows
        e.counters.bump(Counter::tcp_retransmits);
    } else if (!has(c, ETA_CTX_F_RTT_BUSY)) {
        c.flags |= ETA_CTX_F_RTT_BUSY;
        c.rtt_seq = end;
        c.rtt_start_us = e.now_us;
    }
    c.snd_max = seq_max(c.snd_max, end);
    c.last_tx_us = e.now_us;
    if (c.rto_deadline_us == 0) {
        set_timer(e, c, c.rto_deadline_us, e.now_us + rto_backed_off(c));
    }
}

// Data of the send queue, or our FIN. *end: behind what went out.
Sent send_stream(Engine& e, eta_ctx& c, const Plan& p, uint32_t* end)
{
    Payload payload;
    if (p.len != 0 && !dti::gather(e, c, p.seq - c.snd_una, p.len, &payload)) {
        return Sent::kGone;
    }
    const bool whole = payload.len == p.len;
    const bool fin = p.fin && whole;
    uint8_t flags = kAck | (fin ? kFin : 0);
    flags |= whole && p.seq + p.len == data_end(c) ? kPsh : 0;
    *end = p.seq + payload.len + (fin ? 1 : 0);
    if (*end == p.seq) {
        return Sent::kDone;
    }
    if (!emit_segment(e, c, p.seq, flags, payload)) {
        return Sent::kFull;
    }
    c.flags |= fin ? ETA_CTX_F_FIN_SENT : 0;
    note_sent(e, c, p.seq, *end);
    return Sent::kDone;
}

// Fast retransmit of the segment at snd_una, once (RFC 6582 3.2).
Sent send_first_again(Engine& e, eta_ctx& c)
{
    if (!has(c, ETA_CTX_F_REXMIT)) {
        return Sent::kDone;
    }
    uint32_t end = c.snd_una;
    const Sent sent = outstanding(c) != 0 ? send_stream(e, c, plan_first(c), &end) : Sent::kDone;
    if (sent == Sent::kDone) {
        c.flags &= ~ETA_CTX_F_REXMIT;
        c.high_rxt = seq_max(c.high_rxt, end);
    }
    return sent;
}

// RFC 6675 5 (C): holes the peer has reported, as far as the window allows.
Sent send_holes(Engine& e, eta_ctx& c)
{
    Plan p;
    for (uint32_t i = 0; i < kBurstSegments; i++) {
        if (!next_hole(c, &p.seq, &p.len) || pipe_of(c) + p.len > c.cwnd) {
            return Sent::kDone;
        }
        uint32_t end = p.seq;
        const Sent sent = send_stream(e, c, p, &end);
        if (sent != Sent::kDone || end == p.seq) {
            return sent;
        }
        c.high_rxt = end;
    }
    e.touch(c);
    return Sent::kDone;
}

// RFC 5681 4.1: after a pause the network may have changed.
void restart_after_idle(const Engine& e, eta_ctx& c)
{
    if (outstanding(c) == 0 && c.last_tx_us != 0 && e.now_us - c.last_tx_us > c.rto_us) {
        congestion_of(c).idle(c);
    }
}

Sent send_new(Engine& e, eta_ctx& c)
{
    restart_after_idle(e, c);
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < kBurstSegments && bytes < kBurstBytes; i++) {
        Plan p;
        if (!plan_next(e, c, &p)) {
            return Sent::kDone;
        }
        uint32_t end = p.seq;
        const Sent sent = send_stream(e, c, p, &end);
        if (sent != Sent::kDone || end == p.seq) {
            return sent;
        }
        bytes += end - p.seq;
        planned_sent(c, p, end);
    }
    e.touch(c);  // the rest next turn: others want to send as well
    return Sent::kDone;
}

// What is owed without data: an ACK, a keepalive probe (RFC 1122 4.2.3.6).
Sent send_owed(Engine& e, eta_ctx& c)
{
    if (has(c, ETA_CTX_F_KEEP_PROBE)) {
        if (!emit_segment(e, c, c.snd_una - 1, kAck, kNoPayload)) {
            return Sent::kFull;
        }
        c.flags &= ~ETA_CTX_F_KEEP_PROBE;
    }
    if (has(c, ETA_CTX_F_ACK_NOW) && !emit_segment(e, c, c.snd_max, kAck, kNoPayload)) {
        return Sent::kFull;
    }
    return Sent::kDone;
}

// Data waits although nothing is in flight: only a timer can go on (RFC 9293 3.8.6.1).
void arm_persist(Engine& e, eta_ctx& c)
{
    if (c.rto_deadline_us == 0 && outstanding(c) == 0 && has_unsent(c)) {
        const bool corked = (c.ctl & ETA_CTL_CORK) != 0 && c.snd_wnd >= c.mss;
        set_timer(e, c, c.rto_deadline_us,
                  e.now_us + (corked ? kCorkUs : rto_backed_off(c)));
    }
}

Sent output_stream(Engine& e, eta_ctx& c)
{
    if (c.state != ETA_TCP_TIME_WAIT) {
        for (auto stage : {send_first_again, send_holes, send_new}) {
            const Sent sent = stage(e, c);
            if (sent != Sent::kDone) {
                return sent;
            }
        }
        arm_persist(e, c);
    }
    return send_owed(e, c);
}

// SYN and SYN-ACK, first and again (RFC 9293 3.5).
Sent output_syn(Engine& e, eta_ctx& c)
{
    if (c.snd_nxt != c.iss) {
        return c.state == ETA_TCP_SYN_RCVD ? send_owed(e, c) : Sent::kDone;
    }
    if (has(c, ETA_CTX_F_NO_ROUTE) && !resolve_next_hop(e, c)) {
        set_timer(e, c, c.rto_deadline_us, e.now_us + kNeighRetryUs);
        return Sent::kDone;
    }
    const uint8_t flags = c.state == ETA_TCP_SYN_RCVD ? kSyn | kAck : kSyn;
    if (!emit_segment(e, c, c.iss, flags, kNoPayload)) {
        return Sent::kFull;
    }
    c.snd_nxt = c.iss + 1;
    note_sent(e, c, c.iss, c.snd_nxt);
    return Sent::kDone;
}

}  // namespace

}  // namespace tcp

bool tcp_output(Engine& e, eta_ctx& c)
{
    using tcp::Sent;
    if (c.state == ETA_TCP_FREE || c.state == ETA_TCP_LISTEN) {
        return true;
    }
    const Sent sent = tcp::handshake_done(c) ? tcp::output_stream(e, c) : tcp::output_syn(e, c);
    if (sent == Sent::kDone && c.state == ETA_TCP_TIME_WAIT) {
        tcp::leave_to_time_wait(e, c);
    }
    return sent != Sent::kFull;
}

}  // namespace eta::fw
