// SPDX-License-Identifier: MIT
// eta_sim: the accelerator, the agent's rules and the application side against a hostile network,
// thousands of seeds, virtual time. A seed that fails replays exactly.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "sim/run.h"

namespace {

using namespace eta;

struct Options {
    uint64_t first = 1, last = 100;
    std::string scenario;
    std::string pcap_dir = ".";
    bool verbose = false;
};

int usage(FILE* out) {
    std::fprintf(
        out,
        "usage: eta_sim [--seeds A..B] [--scenario NAME] [--verbose] [--pcap-dir DIR]\n"
        "  --seeds A..B     seeds to run, both included (default 1..100); one number: that seed\n"
        "  --scenario NAME  one of:");
    for (auto& n : sim::scenario_names())
        std::fprintf(out, " %s", n.c_str());
    std::fprintf(out,
                 " (default: by seed)\n"
                 "  --verbose        a line for each seed\n"
                 "  --pcap-dir DIR   where the frames of a failing seed go (default .)\n"
                 "exit code: 0 all seeds passed, 1 a seed failed, 2 wrong usage\n");
    return out == stdout ? 0 : 2;
}

bool parse_seeds(const char* s, Options& o) {
    char* end = nullptr;
    o.first = o.last = std::strtoull(s, &end, 10);
    if (end != s && std::strncmp(end, "..", 2) == 0) {
        const char* second = end + 2;
        o.last = std::strtoull(second, &end, 10);
        if (end == second)
            return false;
    }
    return end != s && *end == 0 && o.first <= o.last;
}

bool known(const std::string& name) {
    for (auto& n : sim::scenario_names())
        if (n == name)
            return true;
    return false;
}

bool parse(int argc, char** argv, Options& o) {
    for (int i = 1; i < argc; i++) {
        std::string a = argv[i];
        const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
        if (a == "--verbose") {
            o.verbose = true;
            continue;
        }
        if (!value)
            return false;
        i++;
        if (a == "--seeds"      ? !parse_seeds(value, o)
            : a == "--scenario" ? !known(value)
                                : a != "--pcap-dir")
            return false;
        if (a == "--scenario")
            o.scenario = value;
        if (a == "--pcap-dir")
            o.pcap_dir = value;
    }
    return true;
}

// Empty if the seed passes.
std::string run_seed(const sim::Plan& plan, sim::Totals* totals, const std::string& pcap_path) {
    sim::Run run(plan, !pcap_path.empty());
    std::string why;
    try {
        run.go(totals);
    } catch (const std::exception& e) {
        why = e.what();
    }
    if (!pcap_path.empty() && !run.pcap.write(pcap_path))
        std::fprintf(stderr, "cannot write %s\n", pcap_path.c_str());
    return why;
}

int report_failure(const Options& o, const sim::Plan& plan, const std::string& why) {
    std::string path = o.pcap_dir + "/eta_sim-" + std::to_string(plan.seed) + ".pcap";
    sim::Totals ignored;
    std::string again = run_seed(plan, &ignored, path);
    std::printf("FAILED seed %llu scenario %s: %s\n", static_cast<unsigned long long>(plan.seed),
                plan.scenario.c_str(), why.c_str());
    std::printf("replay: eta_sim --seeds %llu%s%s   frames: %s\n",
                static_cast<unsigned long long>(plan.seed),
                o.scenario.empty() ? "" : " --scenario ", o.scenario.c_str(), path.c_str());
    if (again != why)
        std::printf("the replay ended differently: %s\n", again.empty() ? "passed" : again.c_str());
    return 1;
}

void print_progress(uint64_t done, uint64_t all, const sim::Totals& t, double s) {
    std::printf(
        "%6llu of %llu seeds, %llu connections, %.1f MB, %llu frames (%llu lost), %.0f virtual s, "
        "%.1f s\n",
        static_cast<unsigned long long>(done), static_cast<unsigned long long>(all),
        static_cast<unsigned long long>(t.connections), static_cast<double>(t.bytes) / 1e6,
        static_cast<unsigned long long>(t.frames), static_cast<unsigned long long>(t.lost),
        static_cast<double>(t.virtual_us) / 1e6, s);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    Options o;
    if (argc == 2 && (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0))
        return usage(stdout);
    if (!parse(argc, argv, o))
        return usage(stderr);
    auto start = std::chrono::steady_clock::now();
    auto elapsed = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    sim::Totals totals;
    double printed = 0;
    uint64_t all = o.last - o.first + 1;
    for (uint64_t seed = o.first; seed <= o.last; seed++) {
        sim::Plan plan = sim::make_plan(o.scenario, seed);
        double before = elapsed();
        std::string why = run_seed(plan, &totals, "");
        if (!why.empty())
            return report_failure(o, plan, why);
        if (o.verbose)
            std::printf("seed %llu %s: %zu connections, %.3f s\n",
                        static_cast<unsigned long long>(seed), plan.scenario.c_str(),
                        plan.specs.size(), elapsed() - before);
        if (elapsed() - printed > 5 || seed == o.last) {
            printed = elapsed();
            print_progress(seed - o.first + 1, all, totals, printed);
        }
    }
    std::printf(
        "passed: %llu seeds, %llu connections taken over after restarts, %llu by way of the OS "
        "stack\n",
        static_cast<unsigned long long>(all), static_cast<unsigned long long>(totals.recovered),
        static_cast<unsigned long long>(totals.to_os));
    return 0;
}
