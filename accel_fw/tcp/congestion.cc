// SPDX-License-Identifier: MIT
// NewReno's window (RFC 5681 with byte counting of RFC 3465, initial window of RFC 6928), and the
// row for peers on the same accelerator, where there is nothing to congest.
#include "tcp/congestion.h"

#include "tcp/params.h"

namespace eta::fw::tcp {

namespace {

uint32_t initial_window(const eta_ctx& c)
{
    const uint32_t floor = 2 * c.mss > kInitialBytes ? 2 * c.mss : kInitialBytes;
    return kInitialSegments * c.mss < floor ? kInitialSegments * c.mss : floor;
}

void newreno_open(eta_ctx& c, bool syn_lost)
{
    c.cwnd = syn_lost ? c.mss : initial_window(c);
    c.ssthresh = kNoLimit;
    c.bytes_acked = 0;
}

void newreno_acked(eta_ctx& c, uint32_t bytes, uint32_t flight)
{
    if (c.cwnd < c.ssthresh) {
        if (flight >= c.cwnd / 2) {  // only a window that is used may grow (RFC 7661)
            c.cwnd += bytes < 2 * c.mss ? bytes : 2 * c.mss;  // RFC 3465 2.2, L = 2
        }
    } else if (flight + c.mss >= c.cwnd) {
        c.bytes_acked += bytes;
        if (c.bytes_acked >= c.cwnd) {
            c.bytes_acked -= c.cwnd;
            c.cwnd += c.mss;
        }
    }
    c.cwnd = c.cwnd > kNoLimit ? kNoLimit : c.cwnd;
}

uint32_t newreno_lost(const eta_ctx& c, uint32_t flight)
{
    return flight / 2 > 2 * c.mss ? flight / 2 : 2 * c.mss;  // RFC 5681 (4)
}

void newreno_timeout(eta_ctx& c)
{
    c.cwnd = c.mss;  // loss window
    c.bytes_acked = 0;
}

void newreno_idle(eta_ctx& c)
{
    const uint32_t restart = initial_window(c);
    c.cwnd = c.cwnd < restart ? c.cwnd : restart;
}

void none_open(eta_ctx& c, bool)
{
    c.cwnd = kNoLimit;
    c.ssthresh = kNoLimit;
}

void none_acked(eta_ctx&, uint32_t, uint32_t) {}
uint32_t none_lost(const eta_ctx&, uint32_t) { return kNoLimit; }
void none_same(eta_ctx& c) { c.cwnd = kNoLimit; }

constexpr Congestion kTable[] = {
    {"newreno", newreno_open, newreno_acked, newreno_lost, newreno_timeout, newreno_idle},
    {"none", none_open, none_acked, none_lost, none_same, none_same},
};
static_assert(ETA_CC_NEWRENO == 0 && ETA_CC_NONE == 1);

}  // namespace

const Congestion& congestion_of(const eta_ctx& c)
{
    return kTable[c.cc & 1];
}

}  // namespace eta::fw::tcp
