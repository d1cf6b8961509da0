// SPDX-License-Identifier: MIT
// Segments that no context claims: TIME_WAIT, listeners (RFC 9293 3.10.7.2), strays (3.10.7.1).
// What is not ours belongs to the OS stack (E10), which knows better how to answer it.
#include <cerrno>

#include "tcp/internal.h"
#include "tcp/isn.h"
#include "tcp/reply.h"
#include "wire/ip4.h"

namespace eta::fw::tcp {

namespace {

// Binds a child DTI to the SYN (E14). False: none is free; the OS stack shall serve the client.
bool accept_syn(Engine& e, const Segment& s, uint32_t listener, uint32_t iss_floor)
{
    eta_ctx* child = dti::take_child(e, listener);
    if (child == nullptr) {
        return false;
    }
    eta_ctx& c = *child;
    if (!e.hash.insert(s.hash, e.index_of(c))) {
        e.counters.bump(Counter::tcp_hash_full);
        dti::closed(e, c, ECONNABORTED);
        return false;
    }
    std::memcpy(c.laddr, &s.tuple, sizeof s.tuple);
    c.hash = s.hash;
    c.flags = ETA_CTX_F_POSTED | ETA_CTX_F_PASSIVE | (s.local ? ETA_CTX_F_LOCAL : 0);
    uint32_t iss = initial_sequence(e.isn_key, s.tuple, e.now_us);
    if (iss_floor != 0 && seq_lt(iss, iss_floor)) {
        iss = iss_floor;  // beyond the old connection's window (RFC 9293 3.4.2)
    }
    init_connection(e, c, iss);
    take_syn(e, c, s);
    std::memcpy(c.dmac, s.smac, sizeof c.dmac);
    c.state = ETA_TCP_SYN_RCVD;
    c.flags &= ~ETA_CTX_F_POSTED;
    e.counters.bump(Counter::tcp_syn_received);
    e.touch(c);
    return true;
}

// Nothing to pass to the OS stack on the local wire: its sender, one of ours, is told instead.
void refuse_local(Engine& e, const Segment& s)
{
    const uint32_t found = is_opening(s) ? e.hash.lookup(swapped(s.tuple), s.hash) : 0;
    if (found == 0 || (found & ETA_HASH_TW) != 0) {
        reply_reset(e, s);
        return;
    }
    e.counters.bump(Counter::tcp_local_to_os);
    dti::closed(e, e.ctx(found), ETA_ERR_USE_OS);
}

}  // namespace

bool no_connection_is_ours(Engine& e, Segment& s, eta_tw* tw)
{
    if (!ip4::is_unicast(s.tuple.raddr)) {
        e.counters.bump(Counter::rx_martian);  // RFC 9293 3.9.2.3, MUST-63
        return true;
    }
    uint32_t iss_floor = 0;
    if (tw != nullptr && !time_wait_input(e, s, *tw, &iss_floor)) {
        return true;
    }
    bool have_port = false;
    const uint32_t listener = dti::find_listener(e, s.tuple.laddr, s.tuple.lport, &have_port);
    if (is_opening(s) && listener != 0 && accept_syn(e, s, listener, iss_floor)) {
        return true;
    }
    if (s.local) {
        refuse_local(e, s);
        return true;
    }
    if (!have_port) {
        return false;
    }
    if (is_opening(s)) {
        e.tcp.os_served.add(s.tuple.lport);
        e.counters.bump(Counter::tcp_syn_to_os);
        return false;
    }
    if (e.tcp.os_served.has(s.tuple.lport)) {
        return false;
    }
    e.counters.bump(Counter::tcp_stray);
    reply_reset(e, s);
    return true;
}

}  // namespace eta::fw::tcp
