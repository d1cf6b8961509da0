// SPDX-License-Identifier: MIT
// Hostile descriptors: whatever a program writes costs that program alone (law 3).
#define CATCH_CONFIG_MAIN
#include "catch_lines.h"
