// SPDX-License-Identifier: MIT
// What the files of the TCP engine share among themselves: predicates over a context and the
// steps one file calls in another. Nothing outside tcp/ includes this. One thread.
#pragma once

#include "dti/dti.h"
#include "engine.h"
#include "tcp/params.h"
#include "tcp/rtt.h"
#include "tcp/seq.h"

namespace eta::fw::tcp {

// A step of RFC 9293 3.10.7.4 says whether the next one shall look at the segment. After kStop
// the context may be gone.
enum class Step : uint8_t { kNext, kStop };

// -- predicates ------------------------------------------------------------------------------

inline bool has(const eta_ctx& c, uint32_t flag) { return (c.flags & flag) != 0; }

inline bool is_opening(const Segment& s)
{
    return (s.flags & (kSyn | kAck | kRst | kFin)) == kSyn;
}

inline uint32_t outstanding(const eta_ctx& c) { return c.snd_max - c.snd_una; }

// Sequence number behind the last byte the application has published; our FIN's, once queued.
inline uint32_t data_end(const eta_ctx& c) { return c.iss + 1 + static_cast<uint32_t>(c.tx_tail); }

inline bool fin_acked(const eta_ctx& c)
{
    return has(c, ETA_CTX_F_FIN_SENT) && c.snd_una == data_end(c) + 1;
}

// Something in the send queue was not sent yet, or has to be sent again after a timeout.
inline bool has_unsent(const eta_ctx& c)
{
    return seq_lt(c.snd_nxt, data_end(c) + (has(c, ETA_CTX_F_FIN_QUEUED) ? 1 : 0));
}

// The peer may still send data.
inline bool can_receive(const eta_ctx& c)
{
    return c.state == ETA_TCP_ESTABLISHED || c.state == ETA_TCP_FIN_WAIT_1 ||
           c.state == ETA_TCP_FIN_WAIT_2;
}

inline bool handshake_done(const eta_ctx& c) { return c.state >= ETA_TCP_ESTABLISHED; }

inline uint32_t timestamp_now(const Engine& e, const eta_ctx& c)
{
    return static_cast<uint32_t>(e.now_us >> 10) + c.ts_offset;  // a tick is 1.024 ms
}

inline FourTuple tuple_of(const eta_ctx& c)
{
    FourTuple t;
    std::memcpy(&t, c.laddr, sizeof t);
    return t;
}

inline FourTuple swapped(const FourTuple& t)
{
    FourTuple r;
    std::memcpy(r.laddr, t.raddr, sizeof r.laddr);
    std::memcpy(r.raddr, t.laddr, sizeof r.raddr);
    r.lport = t.rport;
    r.rport = t.lport;
    return r;
}

// -- small actions ---------------------------------------------------------------------------

inline void set_timer(Engine& e, const eta_ctx& c, __u64& deadline_us, uint64_t when_us)
{
    deadline_us = when_us;
    e.timers.update(e.index_of(c), when_us);
}

inline void ack_now(Engine& e, eta_ctx& c)
{
    c.flags |= ETA_CTX_F_ACK_NOW;
    e.touch(c);
}

// -- window.cc -------------------------------------------------------------------------------

// Right edge of the window that the receive buffer would allow now.
uint32_t window_edge(const eta_ctx& c);
// Window field of the next segment; moves rcv_adv unless that would be silly.
uint16_t advertise_window(eta_ctx& c);
// The application has made enough room for an update on its own (RFC 9293 3.8.6.2.2).
bool window_update_due(const eta_ctx& c);
// SEG.WND (RFC 9293 3.10.7.4, fifth step).
void take_window(Engine& e, eta_ctx& c, const Segment& s);

// -- options.cc ------------------------------------------------------------------------------

// Resets `c` to a connection that has sent nothing. Identity must be filled in already.
void init_connection(Engine& e, eta_ctx& c, uint32_t iss);
// Takes the peer's SYN: irs, options, effective send MSS (RFC 9293 3.7.1).
void take_syn(Engine& e, eta_ctx& c, const Segment& s);
uint32_t own_mss(const Engine& e, const eta_ctx& c);

// -- ack.cc ----------------------------------------------------------------------------------

// The ACK field moves snd_una. False: the context is gone.
[[nodiscard]] bool ack_advance(Engine& e, eta_ctx& c, const Segment& s);
// Fifth step for a segment that is not plainly in order, in a synchronized state.
Step take_ack(Engine& e, eta_ctx& c, const Segment& s);
// RFC 6298 3, 4: one sample if the ACK allows it.
void measure_rtt(Engine& e, eta_ctx& c, const Segment& s);
// RFC 5961 7: an ACK that a stranger may have provoked, throttled.
void challenge_ack(Engine& e, eta_ctx& c);

// -- text.cc ---------------------------------------------------------------------------------

// Bytes at rcv_nxt, all inside the window.
void text_in_order(Engine& e, eta_ctx& c, Segment& s);
void text_out_of_order(Engine& e, eta_ctx& c, Segment& s);
void trim_front(Segment& s, uint32_t bytes);
void trim_back(Segment& s, uint32_t bytes);
// RFC 7323 4.3 (2): TS.Recent.
void take_timestamp(eta_ctx& c, const Segment& s);

// -- slow.cc ---------------------------------------------------------------------------------

// Everything that left the fast line.
void slow_segment(Engine& e, eta_ctx& c, Segment& s);
// SYN_SENT (RFC 9293 3.10.7.3).
void syn_sent_segment(Engine& e, eta_ctx& c, Segment& s);

// -- listen.cc, timewait.cc ------------------------------------------------------------------

// A segment that no context claims.
bool no_connection_is_ours(Engine& e, Segment& s, eta_tw* tw);
// True: go on as if the entry were not there; a new connection begins above *iss_floor.
bool time_wait_input(Engine& e, const Segment& s, eta_tw& tw, uint32_t* iss_floor);

// -- state.cc --------------------------------------------------------------------------------

// The handshake is complete. False: the context is gone.
[[nodiscard]] bool establish(Engine& e, eta_ctx& c, const Segment& s);
// Our FIN was acknowledged. False: the context is gone.
[[nodiscard]] bool our_fin_acked(Engine& e, eta_ctx& c);
// The peer's FIN is next in sequence.
void peer_fin(Engine& e, eta_ctx& c);
void enter_time_wait(Engine& e, eta_ctx& c);
// The last ACK is out: TIME_WAIT lives on in the table, the DTI is free.
void leave_to_time_wait(Engine& e, eta_ctx& c);
// Takes `c` out of the hash; an entry of the TIME_WAIT table (ETA_TW_*) stands in its place.
void leave_entry(Engine& e, eta_ctx& c, uint32_t kind);
// Keepalive as the application wants it, and the limit for FIN_WAIT_2 without an application.
void arm_keep_timer(Engine& e, eta_ctx& c);

// -- connect.cc ------------------------------------------------------------------------------

// Looks for the next hop of a connection without dmac; asks the agent. True: known now.
bool resolve_next_hop(Engine& e, eta_ctx& c);

}  // namespace eta::fw::tcp
