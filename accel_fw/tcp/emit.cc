// SPDX-License-Identifier: MIT
// The last step before the port.
#include "tcp/emit.h"

#include "wire/emit.h"

namespace eta::fw::tcp {

bool emit(Engine& e, const Segment& s, const Destination& to)
{
    if (to.local) {
        Segment* slot = local_slot(e);
        if (slot != nullptr) {
            *slot = s;
        }
        return slot != nullptr;
    }
    TxFrame frame;
    frame.head = e.port->tx_reserve(head_len_of(s));
    if (frame.head == nullptr) {
        e.counters.bump(Counter::port_tx_full);
        return false;
    }
    frame.gso_size = to.gso_size;
    write_head(s, to.dmac, e.port->caps(), &frame);
    e.port->tx_commit(frame);
    e.counters.bump(Counter::port_tx_frames);
    return true;
}

}  // namespace eta::fw::tcp
