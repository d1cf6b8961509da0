// SPDX-License-Identifier: MIT
// The TIME_WAIT table and the segments that meet one of its entries (RFC 9293 3.10.7.4,
// RFC 6191, RFC 1337). The DTI is free by then: answers go through tcp/reply.
#include <algorithm>

#include "tcp/internal.h"
#include "tcp/reply.h"

namespace eta::fw {

namespace {

uint32_t expiry_ms(const Engine& e)
{
    return static_cast<uint32_t>((e.now_us + tcp::kTimeWaitUs) / 1000);
}

}  // namespace

void TimeWait::drop_oldest(Engine& e)
{
    eta_tw& tw = e.pool.tw[oldest_];
    if (tw.kind != ETA_TW_FREE) {
        remove(e, tw);
    }
    oldest_ = oldest_ + 1 == e.pool.hdr->n_tw ? 0 : oldest_ + 1;
    used_--;
}

void TimeWait::add(Engine& e, const eta_ctx& c, uint32_t kind)
{
    const uint32_t n = e.pool.hdr->n_tw;
    for (uint32_t i = 0; i < kReclaim && used_ != 0; i++) {
        const eta_tw& tw = e.pool.tw[oldest_];
        if (tw.kind != ETA_TW_FREE && time_wait_left_ms(tw, e.now_us) > 0) {
            break;
        }
        drop_oldest(e);
    }
    if (used_ == n) {
        e.counters.bump(Counter::tcp_time_wait_full);
        drop_oldest(e);
    }
    const uint32_t index = oldest_ + used_ < n ? oldest_ + used_ : oldest_ + used_ - n;
    eta_tw& tw = e.pool.tw[index];
    std::memcpy(tw.laddr, c.laddr, sizeof(FourTuple));
    tw.hash = c.hash;
    tw.snd_nxt = c.snd_max;
    tw.rcv_nxt = c.rcv_nxt;
    tw.ts_recent = (c.flags & ETA_CTX_F_TS) != 0 ? c.ts_recent : 0;
    tw.ts_offset = (c.flags & ETA_CTX_F_TS) != 0 ? c.ts_offset : 0;
    if (!e.hash.insert(c.hash, ETA_HASH_TW | index)) {
        tw.kind = ETA_TW_FREE;
        e.counters.bump(Counter::tcp_hash_full);
        return;
    }
    tw.kind = kind;
    tw.expires_ms = expiry_ms(e);
    used_++;
    e.counters.bump(kind == ETA_TW_RESET ? Counter::tcp_reset_wait : Counter::tcp_time_wait);
}

void TimeWait::remove(Engine& e, eta_tw& tw)
{
    e.hash.remove(tw.hash, ETA_HASH_TW | static_cast<uint32_t>(&tw - e.pool.tw));
    tw.kind = ETA_TW_FREE;
}

// Entries move to the front of the table, oldest first; the hash has another key by now.
void TimeWait::recover(Engine& e)
{
    eta_tw* tw = e.pool.tw;
    eta_tw* end = std::remove_if(tw, tw + e.pool.hdr->n_tw,
                                 [](const eta_tw& t) { return t.kind == ETA_TW_FREE; });
    std::sort(tw, end,
              [now = e.now_us](const eta_tw& a, const eta_tw& b) {
                  return time_wait_left_ms(a, now) < time_wait_left_ms(b, now);
              });
    std::memset(end, 0, static_cast<size_t>(tw + e.pool.hdr->n_tw - end) * sizeof *tw);
    oldest_ = 0;
    used_ = static_cast<uint32_t>(end - tw);
    for (uint32_t i = 0; i < used_; i++) {
        FourTuple t;
        std::memcpy(&t, tw[i].laddr, sizeof t);
        tw[i].hash = e.hash.tuple_hash(t);
        if (!e.hash.insert(tw[i].hash, ETA_HASH_TW | i)) {
            tw[i].kind = ETA_TW_FREE;
        }
    }
}

namespace tcp {

namespace {

// A SYN may begin a new connection if nothing of the old one can be mistaken for it (RFC 6191 2).
bool may_reuse(const Segment& s, const eta_tw& tw)
{
    if ((s.opts & kOptTs) != 0 && tw.ts_recent != 0) {
        const int32_t newer = seq_diff(s.ts_val, tw.ts_recent);
        return newer > 0 || (newer == 0 && seq_gt(s.seq, tw.rcv_nxt));
    }
    return seq_gt(s.seq, tw.rcv_nxt);
}

// What was on its way when the connection was reset. A SYN begins anew.
bool reset_input(Engine& e, const Segment& s, eta_tw& tw)
{
    if (is_opening(s)) {
        e.tcp.time_wait.remove(e, tw);
        return true;
    }
    e.counters.bump(Counter::tcp_stray);
    reply_reset(e, s);
    return false;
}

}  // namespace

bool time_wait_input(Engine& e, const Segment& s, eta_tw& tw, uint32_t* iss_floor)
{
    if (time_wait_left_ms(tw, e.now_us) <= 0) {
        e.tcp.time_wait.remove(e, tw);
        return true;
    }
    if (tw.kind == ETA_TW_RESET) {
        return reset_input(e, s, tw);
    }
    if ((s.flags & kRst) != 0) {
        e.counters.bump(Counter::tcp_time_wait_rst);  // RFC 1337 3, fix F1
        return false;
    }
    if (is_opening(s) && may_reuse(s, tw)) {
        *iss_floor = tw.snd_nxt + kMaxWindowField + 2;
        e.tcp.time_wait.remove(e, tw);
        e.counters.bump(Counter::tcp_time_wait_reused);
        return true;
    }
    if (s.seq_len() == 0 && s.seq == tw.rcv_nxt) {
        return false;  // nothing to answer: an ACK of an ACK would go on for ever
    }
    if ((s.flags & kFin) != 0 && s.seq + s.seq_len() == tw.rcv_nxt) {
        tw.expires_ms = expiry_ms(e);  // our last ACK was lost
    }
    reply_time_wait(e, s, tw);
    return false;
}

}  // namespace tcp

}  // namespace eta::fw
