// SPDX-License-Identifier: MIT
// eta-ctl: command line. Options and exit codes only; each command lives in a file of its own.

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "ctl.h"

namespace eta::ctl {

void print(const Json& value)
{
    fmt::print("{}\n", value.dump(2, ' ', false, Json::error_handler_t::replace));
}

namespace {

struct CommandLine {
    bool json = false;
    bool nonzero = false;
    int pid = 0;
    UpOptions up;
    SsOptions ss;
};

void add_up(CLI::App& app, CommandLine& line)
{
    CLI::App* up = app.add_subcommand("up", "start the accelerator (and eta-agentd if there is no "
                                            "/dev/eta)");
    up->add_option("--port", line.up.port, "af_xdp:INTERFACE, tap:NAME or link:PATH")->required();
    up->add_option("--cpu", line.up.cpu, "processor to give to the accelerator (default: the last)")
        ->check(CLI::NonNegativeNumber);
    up->add_option("--idle", line.up.idle, "what an idle accelerator does: spin or sleep")
        ->check(CLI::IsMember({"spin", "sleep"}));
    up->add_option("--agent", line.up.agent, "module, agentd or auto")
        ->check(CLI::IsMember({"module", "agentd", "auto"}));
}

void add_commands(CLI::App& app, CommandLine& line)
{
    add_up(app, line);
    app.add_subcommand("down", "stop what `up` started");
    app.add_subcommand("status", "agent, processors, programs; exit code 3 if none runs");
    CLI::App* ss = app.add_subcommand("ss", "connections");
    ss->add_flag("-l,--listening", line.ss.listening, "listeners only");
    ss->add_flag("-a,--all", line.ss.all, "connections, listeners and TIME_WAIT");
    ss->add_flag("-i,--info", line.ss.details, "timers, windows and counts of each connection");
    CLI::App* stats = app.add_subcommand("stats", "every counter with its meaning");
    stats->add_flag("--nonzero", line.nonzero, "only counters that have moved");
    CLI::App* why = app.add_subcommand("why", "sockets that are not accelerated, and the reason");
    why->add_option("pid", line.pid, "only this process")->check(CLI::PositiveNumber);
    for (CLI::App* command : app.get_subcommands(nullptr)) {
        command->add_flag("--json", line.json, "machine-readable output");
    }
    app.require_subcommand(1);
    app.footer("exit codes: 0 done, 1 failed, 2 wrong usage, 3 not running, 4 no privilege, "
               "5 no such interface\nenvironment: ETA_AGENT=path of the agent's socket");
}

int dispatch(const CLI::App& app, const CommandLine& line)
{
    if (app.got_subcommand("up")) {
        return up(line.up, line.json);
    }
    if (app.got_subcommand("down")) {
        return down(line.json);
    }
    if (app.got_subcommand("status")) {
        return status(line.json);
    }
    if (app.got_subcommand("ss")) {
        return ss(line.ss, line.json);
    }
    if (app.got_subcommand("stats")) {
        return stats(line.nonzero, line.json);
    }
    return why(line.pid, line.json);
}

int run(int argc, char** argv)
{
    CLI::App app("Control of ETA, the accelerator of TCP sockets.", "eta-ctl");
    CommandLine line;
    app.add_flag("--json", line.json, "machine-readable output");
    add_commands(app, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kOk : kUsage;
    }
    try {
        return dispatch(app, line);
    } catch (const Failure& failure) {
        if (line.json) {
            print(Json{{"error", failure.what()}, {"code", failure.code}});
        }
        fmt::print(stderr, "eta-ctl: {}\n", failure.what());
        return failure.code;
    } catch (const std::exception& error) {
        fmt::print(stderr, "eta-ctl: {}\n", error.what());
        return kFailure;
    }
}

}  // namespace
}  // namespace eta::ctl

int main(int argc, char** argv)
{
    return eta::ctl::run(argc, argv);
}
