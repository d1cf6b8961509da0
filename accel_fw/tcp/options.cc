// SPDX-License-Identifier: MIT
// The beginning of a context: what we offer, what the peer's SYN agrees to.
#include "tcp/internal.h"
#include "tcp/isn.h"

namespace eta::fw::tcp {

namespace {

uint32_t peer_mss(const Segment& s)
{
    if ((s.opts & kOptMss) == 0 || s.mss == 0) {
        return kDefaultMss;
    }
    return s.mss < kMinMss ? kMinMss : s.mss;
}

void set_mss(eta_ctx& c, uint32_t mss)
{
    c.mss = mss;
    c.mss_inverse = static_cast<uint32_t>((uint64_t{1} << 32) / mss + 1);
}

}  // namespace

uint32_t own_mss(const Engine& e, const eta_ctx& c)
{
    return has(c, ETA_CTX_F_LOCAL) ? kLocalMss : e.port->caps().mtu - kHeaders;
}

void init_connection(Engine& e, eta_ctx& c, uint32_t iss)
{
    const FourTuple t = tuple_of(c);
    const bool local = has(c, ETA_CTX_F_LOCAL);
    c.flags |= ETA_CTX_F_WSCALE;
    if (!local) {
        c.flags |= ETA_CTX_F_TS | ETA_CTX_F_SACK;
    }
    c.cc = local ? ETA_CC_NONE : ETA_CC_NEWRENO;
    c.iss = iss;
    c.snd_una = c.snd_nxt = c.snd_max = iss;
    c.snd_sml = c.recover = c.high_rxt = iss;
    c.rcv_buf = kRcvBuf;
    c.rcv_wscale = kRcvWscale;
    c.rto_us = kRtoInitialUs;
    c.ts_offset = timestamp_offset(e.isn_key, t);
    c.last_rx_us = e.now_us;
    set_mss(c, kDefaultMss);
}

void take_syn(Engine& e, eta_ctx& c, const Segment& s)
{
    c.irs = s.seq;
    c.rcv_nxt = s.seq + 1;
    c.last_ack_sent = c.rcv_nxt;
    c.rcv_adv = c.rcv_nxt + kMaxWindowField;  // a window in a SYN is never scaled (RFC 7323 2.2)
    if ((s.opts & kOptTs) != 0) {
        c.ts_recent = s.ts_val;
    } else {
        c.flags &= ~ETA_CTX_F_TS;
    }
    if ((s.opts & kOptWscale) != 0) {
        c.snd_wscale = s.wscale;
    } else {
        c.flags &= ~ETA_CTX_F_WSCALE;
        c.rcv_wscale = 0;
    }
    if ((s.opts & kOptSackPermitted) == 0) {
        c.flags &= ~ETA_CTX_F_SACK;
    }
    const uint32_t own = own_mss(e, c);
    const uint32_t peer = peer_mss(s);
    const uint32_t options = has(c, ETA_CTX_F_TS) ? 12 : 0;  // RFC 6691 2
    set_mss(c, (own < peer ? own : peer) - options);
    c.snd_wnd = c.max_wnd = s.wnd;
    c.snd_wl1 = s.seq;
    c.snd_wl2 = s.ack;
}

}  // namespace eta::fw::tcp
