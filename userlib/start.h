// SPDX-License-Identifier: MIT
// Start and end of the library in a process.
#pragma once

namespace eta::al {

// Reads the environment, makes the eta-why table, registers fork and exit handlers. Idempotent.
void start();

}  // namespace eta::al
