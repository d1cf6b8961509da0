// SPDX-License-Identifier: MIT
// eta-ctl: what its commands share. Control path of a person or a script; maps the agent pool
// read-only as OBSERVER and must never write shared memory. One thread.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "agent.h"

namespace eta::ctl {

using Json = nlohmann::ordered_json;

// Exit codes; part of the manual page.
enum Exit : int {
    kOk = 0,
    kFailure = 1,
    kUsage = 2,
    kNotRunning = 3,
    kNoPrivilege = 4,
    kNoInterface = 5,
};

struct Failure : std::runtime_error {
    Failure(int exit_code, const std::string& text) : std::runtime_error(text), code(exit_code) {}
    int code;
};

struct UpOptions {
    std::string port;
    std::string idle = "sleep";
    std::string agent = "auto";
    int cpu = -1;  // -1: the last one
};

struct SsOptions {
    bool listening = false;
    bool all = false;
    bool details = false;
};

// Where the agent is looked for: $ETA_AGENT, /dev/eta, the default socket.
std::string agent_place();
// Directory of pid files, logs and the socket of eta-agentd.
std::string run_directory();

// Commands. Each returns an exit code or throws Failure.
int up(const UpOptions& options, bool json);
int down(bool json);
int status(bool json);
int ss(const SsOptions& options, bool json);
int stats(bool nonzero, bool json);
int why(int pid, bool json);

void print(const Json& value);

}  // namespace eta::ctl
