// SPDX-License-Identifier: MIT
// Transitions between the states of RFC 9293 3.3.2 that an event of the peer causes. The
// application's own (close, shutdown, abort) are in app.cc.
#include "tcp/congestion.h"
#include "tcp/internal.h"

namespace eta::fw::tcp {

bool establish(Engine& e, eta_ctx& c, const Segment& s)
{
    const bool syn_lost = c.retries != 0;
    measure_rtt(e, c, s);
    if (syn_lost && c.srtt_us == 0) {
        c.rto_us = kRtoAfterSynLossUs;
    }
    c.snd_una = c.snd_nxt = c.snd_max = c.iss + 1;
    c.backoff = 0;
    c.retries = 0;
    c.rto_deadline_us = 0;
    c.state = has(c, ETA_CTX_F_FIN_QUEUED) ? ETA_TCP_FIN_WAIT_1 : ETA_TCP_ESTABLISHED;
    congestion_of(c).open(c, syn_lost);
    arm_keep_timer(e, c);
    e.counters.bump(has(c, ETA_CTX_F_PASSIVE) ? Counter::tcp_passive_opens
                                              : Counter::tcp_active_opens);
    if (has_unsent(c)) {
        e.touch(c);
    }
    if (!has(c, ETA_CTX_F_ORPHAN)) {
        dti::established(e, c);
    }
    return c.state != ETA_TCP_FREE;
}

bool our_fin_acked(Engine& e, eta_ctx& c)
{
    switch (c.state) {
    case ETA_TCP_FIN_WAIT_1:
        c.state = ETA_TCP_FIN_WAIT_2;
        arm_keep_timer(e, c);
        return true;
    case ETA_TCP_CLOSING:
        enter_time_wait(e, c);
        return true;
    case ETA_TCP_LAST_ACK:
        dti::closed(e, c, 0);
        return false;
    default:
        return true;
    }
}

void peer_fin(Engine& e, eta_ctx& c)
{
    c.rcv_nxt++;
    c.ooo_count = 0;
    c.flags = (c.flags & ~ETA_CTX_F_FIN_AHEAD) | ETA_CTX_F_RX_FIN;
    ack_now(e, c);
    switch (c.state) {
    case ETA_TCP_ESTABLISHED:
        c.state = ETA_TCP_CLOSE_WAIT;
        break;
    case ETA_TCP_FIN_WAIT_1:
        c.state = ETA_TCP_CLOSING;  // had our FIN been acknowledged, it were FIN_WAIT_2
        break;
    case ETA_TCP_FIN_WAIT_2:
        enter_time_wait(e, c);
        break;
    default:
        break;
    }
    dti::received(e, c);
}

void enter_time_wait(Engine& e, eta_ctx& c)
{
    c.state = ETA_TCP_TIME_WAIT;
    c.rto_deadline_us = 0;
    c.keep_deadline_us = 0;
    ack_now(e, c);
}

void leave_to_time_wait(Engine& e, eta_ctx& c)
{
    leave_entry(e, c, ETA_TW_TIME_WAIT);
    dti::closed(e, c, 0);
}

void leave_entry(Engine& e, eta_ctx& c, uint32_t kind)
{
    e.hash.remove(c.hash, e.index_of(c));
    if (!has(c, ETA_CTX_F_LOCAL)) {  // without a wire no old duplicate can turn up
        e.tcp.time_wait.add(e, c, kind);
    }
    c.hash = 0;
}

void arm_keep_timer(Engine& e, eta_ctx& c)
{
    c.keep_deadline_us = 0;
    if (has(c, ETA_CTX_F_ORPHAN)) {
        if (c.state == ETA_TCP_FIN_WAIT_2) {
            set_timer(e, c, c.keep_deadline_us, e.now_us + kFinWait2Us);
        }
    } else if ((c.ctl & ETA_CTL_KEEPALIVE) != 0 && handshake_done(c)) {
        set_timer(e, c, c.keep_deadline_us, c.last_rx_us + kKeepIdleUs);
    }
}

}  // namespace eta::fw::tcp
