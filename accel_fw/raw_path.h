// SPDX-License-Identifier: MIT
// The default path (E10): what no DTI claims travels through the raw packet rings of the pool to
// the OS stack (eta0), and what the OS sends through eta0 goes to the port. Thread: the loop.
// Bounded each turn; a full ring drops and counts, it never waits.
#pragma once

#include <cstdint>

#include "engine.h"

namespace eta::fw {

// Copies a frame of the port into the ring. A segment larger than a slot (the port delivers up to
// 64 KB with segmentation offload) is cut into segments of the port's MTU; a transport checksum
// that offload left unfinished is finished.
void raw_path_to_os(Engine& e, const RxFrame& frame);

// Puts up to `budget` frames of the OS on the port. Returns how many.
uint32_t raw_path_from_os(Engine& e, uint32_t budget);

}  // namespace eta::fw
