// SPDX-License-Identifier: MIT
// `eta-ctl up` and `eta-ctl down`: the daemons of this machine (or network namespace).

#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

#include "pool_view.h"
#include "process.h"

namespace eta::ctl {

namespace {

constexpr int kStartLimitS = 10;
constexpr const char* kFw = "eta_fw";
constexpr const char* kAgentd = "eta-agentd";

// Effective capabilities of this process, bit CAP_NET_ADMIN.
bool may_administer_network()
{
    constexpr unsigned long long kNetAdmin = 1ull << 12;
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("CapEff:", 0) == 0) {
            return (std::stoull(line.substr(7), nullptr, 16) & kNetAdmin) != 0;
        }
    }
    return geteuid() == 0;
}

void check_privilege(const char* what)
{
    if (!may_administer_network()) {
        throw Failure(kNoPrivilege, fmt::format("no privilege: {} wants CAP_NET_ADMIN; try sudo",
                                                what));
    }
}

void check_port(const std::string& port)
{
    const size_t colon = port.find(':');
    const std::string kind = port.substr(0, colon);
    const std::string name = colon == std::string::npos ? "" : port.substr(colon + 1);
    if ((kind != "af_xdp" && kind != "tap" && kind != "link") || name.empty()) {
        throw Failure(kUsage, fmt::format("port '{}' is none of af_xdp:INTERFACE, tap:NAME, "
                                          "link:PATH", port));
    }
    if (port.size() >= ETA_PORT_NAME || (kind != "link" && name.size() >= IF_NAMESIZE)) {
        throw Failure(kUsage, fmt::format("port '{}': the name is too long", port));
    }
    if (kind == "af_xdp" && if_nametoindex(name.c_str()) == 0) {
        throw Failure(kNoInterface, fmt::format("no interface named '{}' in this network namespace",
                                                name));
    }
}

int choose_cpu(int wanted)
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    if (wanted >= 0) {
        if (wanted >= CPU_SETSIZE || !CPU_ISSET(wanted, &allowed)) {
            throw Failure(kFailure, fmt::format("no processor {} for this process", wanted));
        }
        return wanted;
    }
    int last = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        last = CPU_ISSET(cpu, &allowed) ? cpu : last;
    }
    return last;
}

bool agent_answers()
{
    try {
        PoolView pool;
        return true;
    } catch (const Failure&) {
        return false;
    }
}

bool fw_answers()
{
    try {
        return PoolView().accelerated();
    } catch (const Failure&) {
        return false;
    }
}

// True: this call started eta-agentd.
bool ensure_agent(const std::string& choice)
{
    const bool module = access(ETA_DEV_PATH, F_OK) == 0 && getenv("ETA_AGENT") == nullptr;
    if (choice == "module" && access(ETA_DEV_PATH, F_OK) != 0) {
        throw Failure(kNotRunning, "module eta_ka is not loaded (no " ETA_DEV_PATH
                                   "); try: modprobe eta_ka");
    }
    if (choice == "module" || (choice == "auto" && module)) {
        return false;
    }
    if (choice == "agentd" && getenv("ETA_AGENT") == nullptr) {
        setenv("ETA_AGENT", ETA_SOCKET_DEFAULT, 1);
    }
    if (agent_answers()) {
        return false;
    }
    Daemon agentd(run_directory(), kAgentd);
    const std::string socket = agent_place();
    agentd.start({find_program(kAgentd), "--foreground", "--socket", socket}, agent_answers,
                 kStartLimitS);
    return true;
}

void refuse_second(const Daemon& fw)
{
    const pid_t pid = fw.running();
    if (pid != 0) {
        throw Failure(kFailure, fmt::format("the accelerator runs already (pid {})", pid));
    }
    if (fw_answers()) {
        throw Failure(kFailure, fmt::format("an accelerator is attached to the agent at {} already",
                                            agent_place()));
    }
}

}  // namespace

std::string run_directory()
{
    const std::string place = agent_place();
    const size_t slash = place.rfind('/');
    const bool socket = place != ETA_DEV_PATH && slash != std::string::npos && slash != 0;
    return socket ? place.substr(0, slash) : "/run/eta";
}

int up(const UpOptions& options, bool json)
{
    check_port(options.port);
    const int cpu = choose_cpu(options.cpu);
    check_privilege("eta-ctl up");
    const std::string program = find_program(kFw);
    Daemon fw(run_directory(), kFw);
    refuse_second(fw);
    const bool started_agent = ensure_agent(options.agent);
    try {
        fw.start({program, "--cpu", std::to_string(cpu), "--port", options.port, "--idle",
                  options.idle},
                 fw_answers, kStartLimitS);
    } catch (const Failure&) {
        if (started_agent) {
            Daemon(run_directory(), kAgentd).stop();
        }
        throw;
    }
    const Json result = {{"port", options.port},      {"cpu", cpu},
                         {"fw_pid", fw.running()},    {"agent", agent_place()},
                         {"started_agent", started_agent}, {"log", fw.log_path()}};
    if (json) {
        print(result);
    } else {
        fmt::print("accelerator runs on cpu {} with port {} (pid {}, log {})\n", cpu, options.port,
                   fw.running(), fw.log_path());
    }
    return kOk;
}

int down(bool json)
{
    check_privilege("eta-ctl down");
    Daemon fw(run_directory(), kFw);
    Daemon agentd(run_directory(), kAgentd);
    const bool fw_stopped = fw.stop();
    const bool agent_stopped = agentd.stop();
    if (json) {
        print(Json{{"stopped_fw", fw_stopped}, {"stopped_agent", agent_stopped}});
    } else {
        fmt::print("accelerator {}, eta-agentd {}\n", fw_stopped ? "stopped" : "was not running",
                   agent_stopped ? "stopped" : "was not running");
    }
    return fw_stopped || agent_stopped ? kOk : kNotRunning;
}

}  // namespace eta::ctl
