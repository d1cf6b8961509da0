// SPDX-License-Identifier: MIT
// From frames and local segments to connections: parse, hash, look up, hand to tcp_input (E20).
// Passes over a burst, so that one cache miss overlaps the next. What no DTI claims goes to the
// raw packet ring and from there to the OS stack (E10). One thread.
#pragma once

#include <cstdint>

#include "engine.h"

namespace eta::fw {

class Demux {
public:
    static constexpr uint32_t kBurst = 64;

    // One burst from the port. Returns frames handled.
    uint32_t from_port(Engine& e);
    // One burst of segments between programs of this accelerator. Returns segments handled.
    uint32_t from_local(Engine& e);

private:
    struct Item {
        Segment* segment;
        const RxFrame* frame;  // null for local segments
        uint32_t found;        // value from the context hash
    };

    uint32_t parse(Engine& e, const RxFrame* frames, uint32_t n);
    void process(Engine& e, uint32_t n);
    void input(Engine& e, const Item& item);

    Item items_[kBurst];
    Segment parsed_[kBurst];
};

}  // namespace eta::fw
