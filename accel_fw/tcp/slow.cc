// SPDX-License-Identifier: MIT
// Everything off the fast line: RFC 9293 3.10.7.4 with one function for each of its steps, in its
// order, and the checks RFC 7323 and RFC 5961 put among them. Must not emit.
#include <cerrno>

#include "tcp/internal.h"
#include "tcp/reply.h"
#include "tcp/tcp.h"

namespace eta::fw::tcp {

namespace {

// Before the first step: PAWS (RFC 7323 5.3 R1; RST is exempt, 5.2).
Step check_paws(Engine& e, eta_ctx& c, const Segment& s)
{
    if (!has(c, ETA_CTX_F_TS) || (s.flags & kRst) != 0) {
        return Step::kNext;
    }
    if ((s.opts & kOptTs) == 0) {
        e.counters.bump(Counter::tcp_no_timestamp);  // RFC 7323 3.2
        return Step::kStop;
    }
    if (e.now_us - c.last_rx_us > kPawsIdleUs) {
        c.ts_recent = s.ts_val;  // RFC 7323 5.5: the remembered one may be ahead by a wrap
    }
    if (seq_lt(s.ts_val, c.ts_recent)) {
        e.counters.bump(Counter::tcp_paws);
        ack_now(e, c);
        return Step::kStop;
    }
    return Step::kNext;
}

// RFC 9293 3.10.7.4, the table of four cases.
bool acceptable(const eta_ctx& c, const Segment& s, uint32_t window)
{
    const uint32_t len = s.seq_len();
    if (s.seq == c.rcv_nxt) {
        return true;  // a window of zero still takes ACK and RST of such a segment
    }
    return s.seq - c.rcv_nxt < window || (len != 0 && s.seq + len - 1 - c.rcv_nxt < window);
}

// The peer repeats its SYN, or its SYN crossed ours (RFC 9293 3.5, figure 7).
Step syn_in_syn_rcvd(Engine& e, eta_ctx& c, Segment& s)
{
    if ((s.flags & kAck) == 0) {
        c.snd_nxt = c.iss;  // the SYN-ACK again
        e.touch(c);
        return Step::kStop;
    }
    s.seq++;
    s.wnd = static_cast<uint16_t>(s.wnd >> c.snd_wscale);  // not scaled; check_ack() scales
    s.flags &= static_cast<uint8_t>(~kSyn);
    ack_now(e, c);
    return Step::kNext;
}

// First step: sequence number; cuts off what lies outside the window.
Step check_sequence(Engine& e, eta_ctx& c, Segment& s)
{
    if (c.state == ETA_TCP_SYN_RCVD && (s.flags & (kSyn | kRst)) == kSyn && s.seq == c.irs &&
        syn_in_syn_rcvd(e, c, s) == Step::kStop) {
        return Step::kStop;
    }
    const uint32_t window = seq_room(c.rcv_nxt, c.rcv_adv);
    if (!acceptable(c, s, window)) {
        e.counters.bump(Counter::tcp_out_of_window);
        if ((s.flags & kRst) != 0) {
            return Step::kStop;
        }
        if (s.seq_len() != 0) {
            ack_now(e, c);
        } else {
            challenge_ack(e, c);  // throttled: two confused ends would answer for ever
        }
        return Step::kStop;
    }
    c.last_rx_us = e.now_us;
    take_timestamp(c, s);
    const uint32_t dup = seq_room(s.seq, c.rcv_nxt);
    if (dup != 0 && (s.flags & (kSyn | kRst)) == 0) {
        trim_front(s, dup < s.payload.len ? dup : s.payload.len);
        s.seq = c.rcv_nxt;
        ack_now(e, c);
    }
    const uint32_t over = seq_room(c.rcv_nxt + window, s.seq + s.payload.len);
    if (over != 0) {
        e.counters.bump(Counter::tcp_beyond_window);
        trim_back(s, over);
        ack_now(e, c);
    }
    return Step::kNext;
}

int reset_error(const eta_ctx& c)
{
    switch (c.state) {
    case ETA_TCP_SYN_RCVD:
        return ECONNREFUSED;
    case ETA_TCP_CLOSING:
    case ETA_TCP_LAST_ACK:
    case ETA_TCP_TIME_WAIT:
        return 0;  // RFC 9293: no signal, both sides had finished
    default:
        return ECONNRESET;
    }
}

// Second step: RST (RFC 5961 3.2: only the exact sequence number is believed).
Step check_rst(Engine& e, eta_ctx& c, const Segment& s)
{
    if ((s.flags & kRst) == 0) {
        return Step::kNext;
    }
    if (s.seq == c.rcv_nxt) {
        e.counters.bump(Counter::tcp_rst_received);
        if (handshake_done(c)) {
            leave_entry(e, c, ETA_TW_RESET);
        }
        dti::closed(e, c, reset_error(c));
    } else {
        challenge_ack(e, c);
    }
    return Step::kStop;
}

// Fourth step: SYN (RFC 5961 4.2). The third, security, has no content any more.
Step check_syn(Engine& e, eta_ctx& c, const Segment& s)
{
    if ((s.flags & kSyn) == 0) {
        return Step::kNext;
    }
    challenge_ack(e, c);
    return Step::kStop;
}

// Fifth step: ACK.
Step check_ack(Engine& e, eta_ctx& c, const Segment& s)
{
    if ((s.flags & kAck) == 0) {
        e.counters.bump(Counter::tcp_no_ack);
        return Step::kStop;
    }
    if (c.state == ETA_TCP_SYN_RCVD) {
        if (s.ack != c.iss + 1) {
            reply_reset(e, s);
            return Step::kStop;
        }
        if (!establish(e, c, s)) {
            return Step::kStop;
        }
        c.snd_wnd = uint32_t{s.wnd} << c.snd_wscale;
        c.max_wnd = c.snd_wnd;
        c.snd_wl1 = s.seq;
        c.snd_wl2 = s.ack;
        return Step::kNext;
    }
    return take_ack(e, c, s);
}

// Sixth step: URG. The bytes stay in the stream (RFC 6093 3.4).
void check_urg(Engine& e, const Segment& s)
{
    if ((s.flags & kUrg) != 0) {
        e.counters.bump(Counter::tcp_urgent);
    }
}

// Seventh step: text.
Step take_text(Engine& e, eta_ctx& c, Segment& s)
{
    if (s.payload.len == 0) {
        return Step::kNext;
    }
    if (!can_receive(c)) {
        return Step::kStop;  // behind the peer's own FIN
    }
    if (has(c, ETA_CTX_F_ORPHAN)) {
        e.counters.bump(Counter::tcp_orphan_data);
        tcp_abort(e, c, ECONNRESET, true);  // nobody will read it (RFC 2525 2.17)
        return Step::kStop;
    }
    if (s.seq == c.rcv_nxt) {
        text_in_order(e, c, s);
    } else {
        text_out_of_order(e, c, s);
    }
    return Step::kNext;
}

// Eighth step: FIN, at once or when the hole before it has been filled.
void take_fin(Engine& e, eta_ctx& c, const Segment& s)
{
    if (!can_receive(c)) {
        return;
    }
    const uint32_t fin = s.seq + s.payload.len;
    if ((s.flags & kFin) != 0 && seq_gt(fin, c.rcv_nxt)) {
        c.flags |= ETA_CTX_F_FIN_AHEAD;
        c.rcv_fin = fin;
        ack_now(e, c);
        return;
    }
    const bool next = (s.flags & kFin) != 0 && fin == c.rcv_nxt;
    if (next || (has(c, ETA_CTX_F_FIN_AHEAD) && c.rcv_fin == c.rcv_nxt)) {
        peer_fin(e, c);
    }
}

}  // namespace

void slow_segment(Engine& e, eta_ctx& c, Segment& s)
{
    e.counters.bump(Counter::tcp_slow);
    if (c.state == ETA_TCP_SYN_SENT) {
        syn_sent_segment(e, c, s);
        return;
    }
    if (check_paws(e, c, s) == Step::kStop || check_sequence(e, c, s) == Step::kStop ||
        check_rst(e, c, s) == Step::kStop || check_syn(e, c, s) == Step::kStop ||
        check_ack(e, c, s) == Step::kStop) {
        return;
    }
    check_urg(e, s);
    if (take_text(e, c, s) == Step::kNext) {
        take_fin(e, c, s);
    }
}

void syn_sent_segment(Engine& e, eta_ctx& c, Segment& s)
{
    const bool acks_syn = (s.flags & kAck) != 0 && s.ack == c.iss + 1;
    if ((s.flags & kAck) != 0 && !acks_syn) {
        e.counters.bump(Counter::tcp_bad_ack);
        reply_reset(e, s);
        return;
    }
    if ((s.flags & kRst) != 0) {
        if (acks_syn) {
            e.counters.bump(Counter::tcp_rst_received);
            dti::closed(e, c, ECONNREFUSED);
        }
        return;
    }
    if ((s.flags & kSyn) == 0) {
        return;
    }
    take_syn(e, c, s);
    if (!acks_syn) {
        c.state = ETA_TCP_SYN_RCVD;  // simultaneous open
        c.snd_nxt = c.iss;
        e.touch(c);
        return;
    }
    if (establish(e, c, s)) {
        ack_now(e, c);
    }
}

}  // namespace eta::fw::tcp
