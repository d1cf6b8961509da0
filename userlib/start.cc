// SPDX-License-Identifier: MIT
// See start.h. Called by the constructor of libeta_preload.so or by the first native call.
#include "start.h"

#include <cstdlib>
#include <cstring>

#include "fallback.h"
#include "fork.h"
#include "real.h"
#include "region.h"

namespace eta::al {

namespace {

bool g_started;
bool g_print_why;

void at_exit()
{
    region_update_stats();
    if (g_print_why) {
        why_print();
    }
}

uint32_t number_from_env(const char* name, uint32_t fallback)
{
    const char* v = getenv(name);
    return v == nullptr || *v == '\0' ? fallback : static_cast<uint32_t>(strtoul(v, nullptr, 10));
}

}  // namespace

void start()
{
    if (g_started) {
        return;
    }
    g_started = true;
    real_init();
    g_spin_us = number_from_env("ETA_SPIN_US", g_spin_us);
    g_grace_ms = number_from_env("ETA_GRACE_MS", g_grace_ms);
    const char* agent = secure_getenv("ETA_AGENT");
    if (agent != nullptr && std::strlen(agent) < kAgentPathMax) {
        std::strcpy(g_agent_path, agent);
    }
    const char* why = getenv("ETA_WHY");
    g_print_why = why != nullptr && *why == '1';
    why_init();
    fork_init();
    atexit(at_exit);
}

}  // namespace eta::al
