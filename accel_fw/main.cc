// SPDX-License-Identifier: MIT
// eta_fw: attaches to the kernel agent as the accelerator of one processor, opens its port and
// turns the loop until it is told to stop. Everything that connections need outlives this process
// (law 2), so stopping and dying are the same to them.
#include <csignal>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent.h"
#include "agent_ops.h"
#include "loop.h"
#include "options.h"
#include "port/open.h"
#include "runner.h"

namespace eta::fw {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

volatile int stop_requested;

void on_signal(int) { stop_requested = 1; }

int fail(const std::string& why)
{
    std::fprintf(stderr, "eta_fw: %s\n", why.c_str());
    return kExitFailure;
}

void catch_signals()
{
    struct sigaction sa = {};
    sa.sa_handler = on_signal;
    sigaction(SIGTERM, &sa, nullptr);
    sigaction(SIGINT, &sa, nullptr);
    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, nullptr);
}

// Empty, or why not. Chooses the last allowed processor if none was asked for.
std::string pin(Options* o)
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int i = 0; o->cpu < 0 && i < CPU_SETSIZE; i++)
        if (CPU_ISSET(CPU_SETSIZE - 1 - i, &allowed)) o->cpu = CPU_SETSIZE - 1 - i;
    cpu_set_t one;
    CPU_ZERO(&one);
    if (o->cpu >= 0 && o->cpu < CPU_SETSIZE) CPU_SET(o->cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0) return "";
    return "cannot run on processor " + std::to_string(o->cpu) + ": " +
           (errno == EINVAL ? "there is no such processor, or it is not allowed here"
                            : std::strerror(errno));
}

std::string attach_error(int err)
{
    switch (err) {
    case ENOENT:
    case ECONNREFUSED:
        return "no kernel agent: neither /dev/eta nor the socket of eta-agentd is there "
               "(eta-ctl up)";
    case EPERM:
    case EACCES: return "the kernel agent refuses: no privilege (CAP_NET_ADMIN is needed)";
    case EBUSY: return "an accelerator is running already";
    case EPROTO: return "the kernel agent is of another version";
    case EXDEV: return "the kernel agent belongs to another network namespace";
    default: return std::string("cannot attach to the kernel agent: ") + std::strerror(err);
    }
}

std::string bring_up_eta0(Agent& agent, const Options& o, const PortCaps& caps)
{
    eta_fw_port up = {};
    std::snprintf(up.name, sizeof up.name, "%s", o.port.c_str());
    std::snprintf(up.ifname, sizeof up.ifname, "%s", o.eta0.c_str());
    std::memcpy(up.mac, caps.mac, sizeof up.mac);
    up.mtu = caps.mtu;
    int rc = agent.fw_port(up);
    if (rc == 0) return "";
    if (rc == -EEXIST)
        return "an interface named " + o.eta0 + " exists already (choose another by --eta0)";
    return "the kernel agent cannot make " + o.eta0 + ": " + std::strerror(-rc);
}

void describe(eta_proc* p, const Options& o, const PortCaps& caps)
{
    p->cpu = static_cast<uint32_t>(o.cpu);
    p->mtu = caps.mtu;
    std::memcpy(p->mac, caps.mac, sizeof p->mac);
    std::snprintf(p->port, sizeof p->port, "%s", o.port.c_str());
    p->asleep = 0;
    p->pid = static_cast<uint32_t>(getpid());
}

uint64_t seed_of(const Options& o)
{
    uint64_t seed = o.seed;
    if (!o.seeded && getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = 0;
    return seed;
}

void say_ready(const Options& o, const PortCaps& c, uint32_t recovered)
{
    if (o.quiet) return;
    std::printf(
        "eta_fw: ready port=%s mac=%02x:%02x:%02x:%02x:%02x:%02x mtu=%u cpu=%d idle=%s eta0=%s "
        "recovered=%u\n",
        o.port.c_str(), c.mac[0], c.mac[1], c.mac[2], c.mac[3], c.mac[4], c.mac[5], c.mtu, o.cpu,
        o.idle == Idle::kSpin ? "spin" : "sleep", o.eta0.c_str(), recovered);
    std::fflush(stdout);
}

int run(Options& o)
{
    std::string err = pin(&o);
    if (!err.empty()) return fail(err);
    Agent agent;
    int rc =
        o.agent.empty() ? agent.open(ETA_ROLE_FW) : agent.open_at(o.agent.c_str(), ETA_ROLE_FW);
    if (rc != 0) return fail(attach_error(-rc));
    std::unique_ptr<Port> port = port_open(o.port, &err);
    if (!port) return fail(err);
    err = bring_up_eta0(agent, o, port->caps());
    if (!err.empty()) return fail(err);
    catch_signals();

    auto engine = std::make_unique<Engine>(agent.pool(), 0, port.get(), seed_of(o));
    describe(engine->pool.proc, o, port->caps());
    ClientOps ops(agent);
    auto loop = std::make_unique<Loop>(*engine, ops);
    const uint32_t recovered = loop->start();
    if (o.mlock && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        return fail(std::string("cannot lock memory: ") + std::strerror(errno));
    say_ready(o, port->caps(), recovered);

    const bool told = Runner(*engine, *loop, agent, o).run(&stop_requested);
    const uint32_t left = engine->pool.proc->n_conn;
    port.reset();
    if (!told) return fail("the kernel agent is gone");
    if (!o.quiet) std::printf("eta_fw: stopped, port detached, %u connections left open\n", left);
    agent.close();
    return 0;
}

}  // namespace
}  // namespace eta::fw

int main(int argc, char** argv)
{
    eta::fw::Options options;
    std::string err;
    switch (eta::fw::parse_options(argc, argv, &options, &err)) {
    case eta::fw::Parsed::kExitOk: return 0;
    case eta::fw::Parsed::kUsage:
        std::fprintf(stderr, "eta_fw: %s\nTry 'eta_fw --help'.\n", err.c_str());
        return eta::fw::kExitUsage;
    case eta::fw::Parsed::kRun: break;
    }
    return eta::fw::run(options);
}
