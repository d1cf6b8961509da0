// SPDX-License-Identifier: MIT
// Deadlines of a connection: delayed ACK, retransmission and persist, keepalive and FIN_WAIT_2.
// Called by the loop's timer stage; leaves emitting to tcp_output.
#include <cerrno>

#include "tcp/internal.h"
#include "tcp/recovery.h"
#include "tcp/tcp.h"

namespace eta::fw {

namespace tcp {

namespace {

bool is_due(const Engine& e, uint64_t deadline_us)
{
    return deadline_us != 0 && deadline_us <= e.now_us;
}

uint32_t retry_limit(const eta_ctx& c)
{
    if (c.state == ETA_TCP_SYN_SENT) {
        return kSynRetries;
    }
    if (c.state == ETA_TCP_SYN_RCVD) {
        return kSynAckRetries;
    }
    return has(c, ETA_CTX_F_ORPHAN) ? kOrphanRetries : kDataRetries;
}

// The next hop's address is not known yet. False: the context is gone.
bool neighbour_timeout(Engine& e, eta_ctx& c)
{
    if (e.now_us - c.created_us > kNeighGiveUpUs) {
        tcp_abort(e, c, EHOSTUNREACH, false);
        return false;
    }
    e.touch(c);
    return true;
}

// Retransmission timeout (RFC 6298 5.4 to 5.7), or time for a probe. False: the context is gone.
bool retransmit_timeout(Engine& e, eta_ctx& c)
{
    c.rto_deadline_us = 0;
    if (has(c, ETA_CTX_F_NO_ROUTE)) {
        return neighbour_timeout(e, c);
    }
    if (handshake_done(c) && outstanding(c) == 0) {
        if (has_unsent(c)) {
            c.flags |= ETA_CTX_F_PROBE;
            e.touch(c);
        }
        return true;
    }
    if (++c.retries > retry_limit(c)) {
        e.counters.bump(Counter::tcp_timed_out);
        tcp_abort(e, c, ETIMEDOUT, false);
        return false;
    }
    e.counters.bump(Counter::tcp_timeouts);
    if (has(c, ETA_CTX_F_PROBING)) {
        c.snd_nxt = c.snd_una;
    } else {
        recovery_timeout(c);
    }
    if (c.retries >= kRetriesToReroute && !has(c, ETA_CTX_F_LOCAL)) {
        (void)resolve_next_hop(e, c);  // RFC 1122 3.3.1.4: the gateway may have changed
    }
    c.flags |= ETA_CTX_F_PROBE;  // even if the peer has shut its window meanwhile
    c.backoff++;
    e.touch(c);
    return true;
}

// Keepalive (RFC 1122 4.2.3.6), or nobody waits for the peer's FIN any more. False: gone.
bool keep_timeout(Engine& e, eta_ctx& c)
{
    c.keep_deadline_us = 0;
    if (has(c, ETA_CTX_F_ORPHAN)) {
        e.counters.bump(Counter::tcp_orphans_dropped);
        dti::closed(e, c, 0);
        return false;
    }
    const uint64_t idle_us = e.now_us - c.last_rx_us;
    if (idle_us < kKeepIdleUs) {
        c.probes = 0;
        set_timer(e, c, c.keep_deadline_us, c.last_rx_us + kKeepIdleUs);
        return true;
    }
    if (c.probes >= kKeepProbes) {
        e.counters.bump(Counter::tcp_timed_out);
        tcp_abort(e, c, ETIMEDOUT, true);
        return false;
    }
    if (outstanding(c) == 0) {  // else the retransmission timer already asks
        c.probes++;
        c.flags |= ETA_CTX_F_KEEP_PROBE;
        e.counters.bump(Counter::tcp_keepalives);
        e.touch(c);
    }
    set_timer(e, c, c.keep_deadline_us, e.now_us + kKeepIntervalUs);
    return true;
}

}  // namespace

}  // namespace tcp

void tcp_expire(Engine& e, eta_ctx& c)
{
    if (c.state == ETA_TCP_FREE || c.state == ETA_TCP_LISTEN) {
        return;
    }
    if (tcp::is_due(e, c.delack_deadline_us)) {
        c.delack_deadline_us = 0;
        e.counters.bump(Counter::tcp_delayed_acks);
        tcp::ack_now(e, c);
    }
    if (tcp::is_due(e, c.rto_deadline_us) && !tcp::retransmit_timeout(e, c)) {
        return;
    }
    if (tcp::is_due(e, c.keep_deadline_us) && !tcp::keep_timeout(e, c)) {
        return;
    }
    const uint32_t index = e.index_of(c);
    e.timers.update(index, c.delack_deadline_us);
    e.timers.update(index, c.rto_deadline_us);
    e.timers.update(index, c.keep_deadline_us);
}

}  // namespace eta::fw
