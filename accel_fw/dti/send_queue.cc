// SPDX-License-Identifier: MIT
// Send queue of a DTI: from stream positions to bytes in the application's buffers (E5). Runs in
// the tcp_output and tcp_input stages. The queue is hostile memory: an entry is copied once for
// each use and checked each time; nothing that is remembered between uses depends on it.
#include <eta/ring_ops.h>

#include "dti/dti.h"
#include "dti/internal.h"

namespace eta::fw::dti {

namespace {

constexpr uint64_t kUnlimited = ~uint64_t{0};

// Bytes that entry `index` stands for. The newest entry is open: its length is not final yet.
uint64_t entry_len(const eta_ctx& c, const eta_sqe& q, uint32_t index)
{
    if (q.op != ETA_OP_SEND) {
        return 0;
    }
    return index + 1 == c.sq_tail ? kUnlimited : q.len;
}

// Adds up to `want` bytes at `skip` inside the entry's buffer to `out`. False: out of bounds.
bool add_piece(const RegionView& r, const eta_sqe& q, uint64_t skip, uint32_t want, Payload* out)
{
    if (q.key != 0 || q.off > r.tx_pool_size || skip + want > r.tx_pool_size - q.off) {
        return false;
    }
    out->piece[out->count++] = {r.tx_pool + q.off + skip, want};
    out->len += want;
    return true;
}

}  // namespace

bool gather(Engine& e, eta_ctx& c, uint32_t off, uint32_t max, Payload* out)
{
    const RegionView& r = e.region_of(c);
    const eta_sqe* queue = r.sq_of(c.local);
    uint64_t skip = uint64_t{c.sq_una_off} + off;
    const uint64_t avail = c.tx_tail - c.tx_acked;
    uint32_t want = avail - off < max ? static_cast<uint32_t>(avail - off) : max;

    out->len = 0;
    out->count = 0;
    for (uint32_t i = c.sq_una; want != 0 && out->count < Payload::kMaxPieces; i++) {
        if (i == c.sq_tail) {
            close_bad(e, c, Counter::bad_status);  // tx_tail promises more than the entries hold
            return false;
        }
        const eta_sqe q = read_entry(queue, i);
        const uint64_t len = entry_len(c, q, i);
        if (skip >= len) {
            skip -= len;
            continue;
        }
        const uint32_t take = len - skip < want ? static_cast<uint32_t>(len - skip) : want;
        if (!add_piece(r, q, skip, take, out)) {
            close_bad(e, c, Counter::bad_entry);
            return false;
        }
        want -= take;
        skip = 0;
    }
    return true;
}

bool acked(Engine& e, eta_ctx& c, uint32_t bytes)
{
    RegionView& r = e.region_of(c);
    const eta_sqe* queue = r.sq_of(c.local);
    uint64_t left = uint64_t{c.sq_una_off} + bytes;
    uint32_t una = c.sq_una;

    e.counters.add(Counter::bytes_from_apps, bytes);
    while (una != c.sq_tail) {
        const uint64_t len = entry_len(c, read_entry(queue, una), una);
        if (left < len) {
            break;
        }
        left -= len;
        una++;
    }
    // Together: after a crash the three must describe the same point of the stream.
    c.tx_acked += bytes;
    c.sq_una = una;
    c.sq_una_off = static_cast<uint32_t>(left);
    if ((una == c.sq_tail && left != 0) || left > UINT32_MAX) {
        close_bad(e, c, Counter::bad_status);
        return false;
    }

    eta_dti_fw& f = r.fw[c.local];
    eta_store_once(&f.sq_head, c.sq_una);
    eta_store_release(&f.tx_acked, c.tx_acked);
    if ((c.ctl & ETA_CTL_WANT_TX) != 0) {
        notify(e, c);
    }
    return true;
}

}  // namespace eta::fw::dti
