// SPDX-License-Identifier: MIT
// Entry of the unit tests and of other groups without a main file of their own.
#define CATCH_CONFIG_MAIN
#include "catch_lines.h"
