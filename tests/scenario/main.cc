// SPDX-License-Identifier: MIT
// Scenario tests of the TCP engine under simulated time: one behaviour each.
#define CATCH_CONFIG_MAIN
#include "catch_lines.h"
