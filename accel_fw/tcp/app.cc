// SPDX-License-Identifier: MIT
// What the application asks for (RFC 9293 3.10.2 to 3.10.5): send, receive, close, abort. The
// arguments are checked copies already. Changes state and marks; tcp_output sends.
#include <cerrno>

#include "tcp/internal.h"
#include "tcp/reply.h"
#include "tcp/tcp.h"

namespace eta::fw {

namespace tcp {

namespace {

// RFC 9293 3.10.4: our FIN goes behind the last byte.
void queue_fin(Engine& e, eta_ctx& c)
{
    if (has(c, ETA_CTX_F_FIN_QUEUED)) {
        return;
    }
    c.flags |= ETA_CTX_F_FIN_QUEUED;
    if (c.state == ETA_TCP_ESTABLISHED) {
        c.state = ETA_TCP_FIN_WAIT_1;
    } else if (c.state == ETA_TCP_CLOSE_WAIT) {
        c.state = ETA_TCP_LAST_ACK;
    }
    e.touch(c);
}

bool keepalive_changed(const eta_ctx& c)
{
    const bool wanted = (c.ctl & ETA_CTL_KEEPALIVE) != 0;
    return !has(c, ETA_CTX_F_ORPHAN) && wanted != (c.keep_deadline_us != 0);
}

}  // namespace

}  // namespace tcp

void tcp_app_update(Engine& e, eta_ctx& c)
{
    if (!tcp::handshake_done(c)) {
        return;
    }
    if (tcp::window_update_due(c)) {
        c.flags |= ETA_CTX_F_ACK_NOW;
    }
    if (tcp::keepalive_changed(c)) {
        tcp::arm_keep_timer(e, c);
    }
    e.touch(c);
}

void tcp_app_shutdown(Engine& e, eta_ctx& c)
{
    if (c.state == ETA_TCP_FREE || c.state == ETA_TCP_LISTEN) {
        return;
    }
    tcp_app_update(e, c);
    tcp::queue_fin(e, c);
}

void tcp_app_close(Engine& e, eta_ctx& c)
{
    if (c.state == ETA_TCP_FREE || c.state == ETA_TCP_LISTEN) {
        return;
    }
    c.flags |= ETA_CTX_F_ORPHAN;
    if (c.state == ETA_TCP_TIME_WAIT) {
        return;
    }
    if (!tcp::handshake_done(c) && (c.state == ETA_TCP_SYN_SENT || c.tx_tail == 0)) {
        tcp_abort(e, c, 0, c.state == ETA_TCP_SYN_RCVD);
        return;
    }
    if (c.rx_tail != c.rx_head) {
        e.counters.bump(Counter::tcp_closed_unread);
        tcp_abort(e, c, 0, true);  // RFC 2525 2.17: the peer must learn that data was lost
        return;
    }
    tcp::queue_fin(e, c);
    tcp::arm_keep_timer(e, c);
    e.touch(c);
}

void tcp_abort(Engine& e, eta_ctx& c, int err, bool send_rst)
{
    if (c.state == ETA_TCP_FREE || c.state == ETA_TCP_LISTEN) {
        return;
    }
    if (send_rst && c.state != ETA_TCP_SYN_SENT && c.state != ETA_TCP_TIME_WAIT) {
        tcp::send_reset(e, c);
        tcp::leave_entry(e, c, ETA_TW_RESET);
    }
    dti::closed(e, c, err);
}

// The words a crash may have caught between two stores: sequence numbers follow the stream
// positions, which never run ahead of what application or peer have been told.
void tcp_resume(Engine& e, eta_ctx& c)
{
    using namespace tcp;
    e.tcp.os_served.add_all();  // which ports the OS stack helps to serve is not known any more
    if (handshake_done(c)) {
        const bool fin = has(c, ETA_CTX_F_FIN_SENT) && c.snd_una == data_end(c) + 1;
        const uint32_t una = c.iss + 1 + static_cast<uint32_t>(c.tx_acked);
        const bool rx_fin = has(c, ETA_CTX_F_RX_FIN);
        c.snd_una = fin && una + 1 == c.snd_una ? c.snd_una : una;
        c.rcv_nxt = c.irs + 1 + static_cast<uint32_t>(c.rx_tail) + (rx_fin ? 1 : 0);
        c.snd_max = seq_max(c.snd_max, c.snd_una);
        c.snd_nxt = c.snd_una;
        c.sack_count = 0;
        c.flags &= ~(ETA_CTX_F_RTT_BUSY | ETA_CTX_F_RECOVERY | ETA_CTX_F_REXMIT);
        c.flags |= ETA_CTX_F_ACK_NOW;
    } else if (c.snd_una == c.iss) {
        c.snd_nxt = c.iss;
    }
    const uint32_t index = e.index_of(c);
    e.timers.update(index, c.delack_deadline_us);
    e.timers.update(index, c.rto_deadline_us);
    e.timers.update(index, c.keep_deadline_us);
    e.touch(c);
}

}  // namespace eta::fw
