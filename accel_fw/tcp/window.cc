// SPDX-License-Identifier: MIT
// Both windows: what we offer, without shrinking it and without silliness (RFC 9293 3.8.6), and
// what the peer offers.
#include "tcp/internal.h"

namespace eta::fw::tcp {

namespace {

// The least growth of the window worth telling (RFC 9293 3.8.6.2.2).
uint32_t worth_telling(const eta_ctx& c)
{
    const uint32_t half = c.rcv_buf / 2;
    return c.mss < half ? c.mss : half;
}

// A zero-window probe is answered by an open window: what it carried is sent anew with the rest.
void stop_probing(eta_ctx& c)
{
    c.flags &= ~ETA_CTX_F_PROBING;
    c.snd_nxt = c.snd_una;
    c.backoff = 0;
    c.retries = 0;
    c.rto_deadline_us = 0;
}

}  // namespace

uint32_t window_edge(const eta_ctx& c)
{
    const uint64_t unread = c.rx_tail - c.rx_head;
    const uint32_t limit = kMaxWindowField << c.rcv_wscale;
    uint32_t room = unread < c.rcv_buf ? c.rcv_buf - static_cast<uint32_t>(unread) : 0;
    room = room < limit ? room : limit;
    return c.rcv_nxt + room;
}

uint16_t advertise_window(eta_ctx& c)
{
    const uint32_t edge = window_edge(c);
    const int32_t gain = seq_diff(edge, c.rcv_adv);
    if (gain >= static_cast<int32_t>(worth_telling(c))) {
        c.rcv_adv = edge;
    }
    const uint32_t field = seq_room(c.rcv_nxt, c.rcv_adv) >> c.rcv_wscale;
    return static_cast<uint16_t>(field < kMaxWindowField ? field : kMaxWindowField);
}

bool window_update_due(const eta_ctx& c)
{
    if (!can_receive(c)) {
        return false;
    }
    const uint32_t half = c.rcv_buf / 2;
    const uint32_t least = 2 * c.mss < half ? 2 * c.mss : half;
    return seq_diff(window_edge(c), c.rcv_adv) >= static_cast<int32_t>(least);
}

void take_window(Engine& e, eta_ctx& c, const Segment& s)
{
    const bool newer = seq_lt(c.snd_wl1, s.seq) ||
                       (c.snd_wl1 == s.seq && seq_leq(c.snd_wl2, s.ack));
    if (!newer) {
        return;
    }
    const uint32_t wnd = uint32_t{s.wnd} << c.snd_wscale;
    c.snd_wl1 = s.seq;
    c.snd_wl2 = s.ack;
    if (wnd > c.snd_wnd) {
        if (has(c, ETA_CTX_F_PROBING)) {
            stop_probing(c);
        }
        if (has_unsent(c)) {
            e.touch(c);
        }
    }
    c.snd_wnd = wnd;
    c.max_wnd = wnd > c.max_wnd ? wnd : c.max_wnd;
}

}  // namespace eta::fw::tcp
