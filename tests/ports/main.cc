// SPDX-License-Identifier: MIT
// Runs the tests of this folder, or skips them all without privilege.
#define CATCH_CONFIG_RUNNER
#include "catch_lines.h"

#include <cstdio>

#include "netns.h"

int main(int argc, char** argv)
{
    if (!eta::test::enter_new_netns()) {
        std::puts("skip ports: network namespaces need root");
        return 77;
    }
    return Catch::Session().run(argc, argv);
}
