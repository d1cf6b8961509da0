// SPDX-License-Identifier: MIT
// For the main file of each Catch2 program: define CATCH_CONFIG_MAIN, then include this. One line
// per test case, in the form that scripts/check.sh counts, beside what Catch2 prints on failures.
#pragma once

#define CATCH_CONFIG_CONSOLE_WIDTH 100
#include <catch2/catch.hpp>

#include <cstdio>

namespace {

struct LineListener : Catch::TestEventListenerBase {
    using TestEventListenerBase::TestEventListenerBase;

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        const bool ok = stats.totals.assertions.failed == 0;
        std::printf("%s %s\n", ok ? "ok" : "not ok", stats.testInfo.name.c_str());
        std::fflush(stdout);
    }
};

CATCH_REGISTER_LISTENER(LineListener)

}  // namespace
