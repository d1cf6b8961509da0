// SPDX-License-Identifier: MIT
// Attaches to the agent as OBSERVER and explains in words what stands in the way.

#include "pool_view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include <fmt/format.h>

namespace eta::ctl {

namespace {

constexpr uint64_t kHeartbeatLimitNs = 2'000'000'000;

[[noreturn]] void explain(int err)
{
    const std::string place = agent_place();
    switch (err) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        throw Failure(kNotRunning,
                      fmt::format("no agent: module eta_ka is not loaded (no {}) and no eta-agentd "
                                  "listens on {}; start one with: eta-ctl up --port SPEC",
                                  ETA_DEV_PATH, place));
    case ECONNREFUSED:
        throw Failure(kNotRunning, fmt::format("eta-agentd is gone: nobody answers on {}", place));
    case EPERM:
    case EACCES:
        throw Failure(kNoPrivilege,
                      fmt::format("no privilege: {} wants CAP_NET_ADMIN; try sudo", place));
    case EXDEV:
        throw Failure(kFailure, fmt::format("the agent at {} serves another network namespace",
                                            place));
    case EPROTO:
        throw Failure(kFailure, fmt::format("the agent at {} is of another version", place));
    default:
        throw Failure(kFailure, fmt::format("the agent at {}: {}", place, strerror(err)));
    }
}

}  // namespace

uint64_t monotonic_ns()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

std::string agent_place()
{
    const char* place = getenv("ETA_AGENT");
    if (place != nullptr && *place != '\0') {
        return place;
    }
    return access(ETA_DEV_PATH, F_OK) == 0 ? ETA_DEV_PATH : ETA_SOCKET_DEFAULT;
}

std::string address(const uint8_t* addr16)
{
    static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t any[16] = {};
    if (memcmp(addr16, any, sizeof any) == 0) {
        return "*";
    }
    char text[INET6_ADDRSTRLEN];
    if (memcmp(addr16, v4_prefix, sizeof v4_prefix) == 0) {
        return inet_ntop(AF_INET, addr16 + 12, text, sizeof text);
    }
    return fmt::format("[{}]", inet_ntop(AF_INET6, addr16, text, sizeof text));
}

std::string endpoint(const uint8_t* addr16, uint16_t port)
{
    const std::string shown = port == 0 ? "*" : std::to_string(ntohs(port));
    return address(addr16) + ":" + shown;
}

PoolView::PoolView()
{
    const int rc = agent_.open(ETA_ROLE_OBSERVER);
    if (rc != 0) {
        explain(-rc);
    }
    if (agent_.pool() == nullptr || agent_.pool_size() < sizeof header_) {
        throw Failure(kFailure, "the agent gave no pool");
    }
    memcpy(&header_, agent_.pool(), sizeof header_);
    if (header_.magic != ETA_ABI_MAGIC || header_.version != ETA_ABI_VERSION) {
        throw Failure(kFailure, "the agent pool is of another version");
    }
}

Processor PoolView::processor(uint32_t index) const
{
    Processor result{index, false, -1, procs()[index]};
    if (result.proc.pid == 0 || result.proc.heartbeat_ns == 0) {
        return result;
    }
    const uint64_t now = monotonic_ns();
    const uint64_t age = now > result.proc.heartbeat_ns ? now - result.proc.heartbeat_ns : 0;
    result.heartbeat_age_s = static_cast<double>(age) / 1e9;
    result.alive = age < kHeartbeatLimitNs;
    return result;
}

bool PoolView::accelerated() const
{
    for (uint32_t i = 0; i < header_.n_procs; i++) {
        if (processor(i).alive) {
            return true;
        }
    }
    return false;
}

}  // namespace eta::ctl
