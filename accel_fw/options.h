// SPDX-License-Identifier: MIT
// Command line of eta_fw. Start-up only; touches nothing but its arguments.
#pragma once

#include <cstdint>
#include <string>

namespace eta::fw {

enum class Idle : uint8_t { kSleep, kSpin };

struct Options {
    std::string port;
    std::string agent;          // empty: $ETA_AGENT, /dev/eta, the default socket
    std::string eta0 = "eta0";  // name of the raw packet interface
    int cpu = -1;               // -1: the last one this process may run on
    Idle idle = Idle::kSleep;
    uint32_t idle_us = 50;  // how long to look for work before going to sleep
    uint64_t seed = 0;      // used if seeded
    bool seeded = false;
    bool mlock = false;
    bool quiet = false;
};

enum class Parsed : uint8_t { kRun, kExitOk, kUsage };

// kExitOk: --help or --version was printed. kUsage: *err says what is wrong.
Parsed parse_options(int argc, char** argv, Options* out, std::string* err);

}  // namespace eta::fw
