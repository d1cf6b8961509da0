// SPDX-License-Identifier: MIT
// Command line of eta_fw. See options.h.
#include "options.h"

#include <getopt.h>
#include <net/if.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <eta/abi.h>

#include "port/spec.h"

namespace eta::fw {
namespace {

constexpr char kVersion[] = "0.1.0";

constexpr char kHelp[] =
    "Usage: eta_fw --port SPEC [options]\n"
    "The accelerator: one polling loop that serves the Direct Transport Interfaces of programs.\n"
    "\n"
    "  -p, --port SPEC    where frames enter and leave:\n"
    "                       af_xdp:IFNAME[,queue]  a network interface, through AF_XDP\n"
    "                       tap:NAME               a TAP device, made if it does not exist\n"
    "                       link:PATH              shared-memory wire to another accelerator\n"
    "  -c, --cpu N        processor to run on (default: the last one allowed)\n"
    "  -i, --idle MODE    sleep (default) or spin, when there is nothing to do\n"
    "      --idle-us N    look for work this long before going to sleep (default 50)\n"
    "  -a, --agent PATH   /dev/eta or the socket of eta-agentd (default: $ETA_AGENT, else\n"
    "                     /dev/eta, else /run/eta/agent.sock)\n"
    "      --eta0 NAME    name of the raw packet interface (default eta0)\n"
    "      --seed N       seed of all randomness, for tests (default: from the kernel)\n"
    "      --mlock        keep own memory resident\n"
    "  -q, --quiet        print errors only\n"
    "  -h, --help         this text\n"
    "  -V, --version      version and exit\n"
    "\n"
    "Exit: 0 stopped by SIGTERM or SIGINT, 1 failure, 2 wrong options.\n";

enum LongOnly { kOptEta0 = 256, kOptSeed, kOptMlock, kOptIdleUs };

constexpr option kLong[] = {
    {"port", required_argument, nullptr, 'p'},
    {"cpu", required_argument, nullptr, 'c'},
    {"idle", required_argument, nullptr, 'i'},
    {"idle-us", required_argument, nullptr, kOptIdleUs},
    {"agent", required_argument, nullptr, 'a'},
    {"eta0", required_argument, nullptr, kOptEta0},
    {"seed", required_argument, nullptr, kOptSeed},
    {"mlock", no_argument, nullptr, kOptMlock},
    {"quiet", no_argument, nullptr, 'q'},
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'V'},
    {nullptr, 0, nullptr, 0},
};

bool parse_number(const char* text, uint64_t max, uint64_t* out)
{
    char* end = nullptr;
    errno = 0;
    *out = std::strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && text[0] >= '0' && text[0] <= '9' &&
           *out <= max;
}

std::string set_cpu(const char* text, Options* o)
{
    uint64_t n;
    if (!parse_number(text, 4095, &n))
        return std::string("--cpu: '") + text + "' is not a processor number";
    o->cpu = static_cast<int>(n);
    return "";
}

std::string set_idle(const char* text, Options* o)
{
    if (std::strcmp(text, "spin") == 0) o->idle = Idle::kSpin;
    else if (std::strcmp(text, "sleep") == 0) o->idle = Idle::kSleep;
    else return std::string("--idle: '") + text + "' is neither spin nor sleep";
    return "";
}

std::string set_idle_us(const char* text, Options* o)
{
    uint64_t n;
    if (!parse_number(text, 10'000'000, &n))
        return std::string("--idle-us: '") + text + "' is not a number from 0 to 10000000";
    o->idle_us = static_cast<uint32_t>(n);
    return "";
}

std::string set_seed(const char* text, Options* o)
{
    if (!parse_number(text, UINT64_MAX, &o->seed))
        return std::string("--seed: '") + text + "' is not a number";
    o->seeded = true;
    return "";
}

std::string set_eta0(const char* text, Options* o)
{
    o->eta0 = text;
    if (o->eta0.empty() || o->eta0.size() >= IFNAMSIZ || o->eta0[0] == '.' ||
        o->eta0.find_first_of("/: \t%") != std::string::npos)
        return "--eta0: '" + o->eta0 + "' is not an interface name";
    return "";
}

std::string set_port(const char* text, Options* o)
{
    PortSpec spec;
    o->port = text;
    std::string wrong = port_parse_spec(o->port, &spec);
    return wrong.empty() ? "" : "--port: " + wrong;
}

std::string apply(int opt, Options* o)
{
    switch (opt) {
    case 'p': return set_port(optarg, o);
    case 'c': return set_cpu(optarg, o);
    case 'i': return set_idle(optarg, o);
    case 'a': o->agent = optarg; return o->agent.empty() ? "--agent: empty path" : "";
    case 'q': o->quiet = true; return "";
    case kOptIdleUs: return set_idle_us(optarg, o);
    case kOptEta0: return set_eta0(optarg, o);
    case kOptSeed: return set_seed(optarg, o);
    case kOptMlock: o->mlock = true; return "";
    default: return "";
    }
}

}  // namespace

Parsed parse_options(int argc, char** argv, Options* out, std::string* err)
{
    opterr = 0;
    optind = 1;
    for (int opt; (opt = getopt_long(argc, argv, ":p:c:i:a:qhV", kLong, nullptr)) != -1;) {
        if (opt == 'h') {
            std::fputs(kHelp, stdout);
            return Parsed::kExitOk;
        }
        if (opt == 'V') {
            std::printf("eta_fw %s (binary interface %u)\n", kVersion, ETA_ABI_VERSION);
            return Parsed::kExitOk;
        }
        if (opt == '?') *err = std::string("unknown option '") + argv[optind - 1] + "'";
        else if (opt == ':') *err = std::string("option '") + argv[optind - 1] + "' needs a value";
        else *err = apply(opt, out);
        if (!err->empty()) return Parsed::kUsage;
    }
    if (optind < argc) *err = std::string("unexpected argument '") + argv[optind] + "'";
    else if (out->port.empty())
        *err = "--port is missing (af_xdp:IFNAME[,queue], tap:NAME or link:PATH)";
    return err->empty() ? Parsed::kRun : Parsed::kUsage;
}

}  // namespace eta::fw
