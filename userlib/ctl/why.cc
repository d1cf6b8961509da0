// SPDX-License-Identifier: MIT
// `eta-ctl why`: sockets that run on the OS stack, and the reason. Reads the table that each
// program under the preload library keeps in a memfd (fallback.h); needs no agent.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "fallback.h"
#include "pool_view.h"

namespace eta::ctl {

namespace {

using al::WhySlot;
using al::WhyTable;

constexpr const char* kLibrary = "libeta_preload";

std::vector<int> numbers_in(const std::string& folder)
{
    std::vector<int> found;
    std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(folder.c_str()), closedir);
    if (dir == nullptr) {
        return found;
    }
    while (const dirent* entry = readdir(dir.get())) {
        if (isdigit(static_cast<unsigned char>(entry->d_name[0])) != 0) {
            found.push_back(atoi(entry->d_name));
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

bool is_table_link(const std::string& path)
{
    char target[64];
    const ssize_t n = readlink(path.c_str(), target, sizeof target - 1);
    target[std::max<ssize_t>(n, 0)] = '\0';
    return fmt::format("/memfd:{} (deleted)", al::kWhyName) == target ||
           fmt::format("/memfd:{}", al::kWhyName) == target;
}

// A copy: the program goes on writing. Slots under change have an odd sequence number.
std::unique_ptr<WhyTable> read_table(const std::string& path)
{
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return nullptr;
    }
    auto table = std::make_unique<WhyTable>();
    const ssize_t n = pread(fd, table.get(), sizeof *table, 0);
    close(fd);
    const bool good = n == static_cast<ssize_t>(sizeof *table) && table->magic == al::kWhyMagic &&
                      table->version == al::kWhyVersion && table->slot_size == sizeof(WhySlot);
    return good ? std::move(table) : nullptr;
}

// After fork a child may hold its parent's table as well: its own carries its pid.
std::unique_ptr<WhyTable> table_of(int pid)
{
    std::unique_ptr<WhyTable> found;
    const std::string folder = fmt::format("/proc/{}/fd", pid);
    for (int fd : numbers_in(folder)) {
        const std::string path = fmt::format("{}/{}", folder, fd);
        if (!is_table_link(path)) {
            continue;
        }
        auto table = read_table(path);
        if (table == nullptr) {
            continue;
        }
        const bool own = static_cast<int>(table->pid) == pid;
        if (own || found == nullptr) {
            found = std::move(table);
        }
        if (own) {
            break;
        }
    }
    return found;
}

bool library_is_mapped(int pid)
{
    std::ifstream maps(fmt::format("/proc/{}/maps", pid));
    for (std::string line; std::getline(maps, line);) {
        if (line.find(kLibrary) != std::string::npos) {
            return true;
        }
    }
    return false;
}

std::string program_name(int pid)
{
    std::ifstream comm(fmt::format("/proc/{}/comm", pid));
    std::string name;
    std::getline(comm, name);
    return name;
}

Json slot_json(const WhySlot& slot)
{
    return {{"fd", slot.fd},
            {"open", slot.open != 0},
            {"listening", slot.listening != 0},
            {"local", endpoint(slot.laddr, slot.lport)},
            {"peer", endpoint(slot.raddr, slot.rport)},
            {"reason", al::reason_name(slot.reason)},
            {"sentence", al::reason_sentence(slot.reason)},
            {"detail", slot.detail}};
}

Json counts_json(const WhyTable& table)
{
    Json counts = Json::object();
    for (uint32_t i = 0; i < std::min(table.n_reasons, al::kWhyReasons); i++) {
        if (table.count[i] != 0) {
            counts[al::reason_name(i)] = table.count[i];
        }
    }
    return counts;
}

Json process_json(int pid, const WhyTable& table)
{
    Json sockets = Json::array();
    for (const WhySlot& slot : table.slot) {
        if (slot.seq != 0 && slot.seq % 2 == 0 && slot.fd >= 0) {
            sockets.push_back(slot_json(slot));
        }
    }
    Json agent = nullptr;
    if (table.attached == 0 && table.agent_errno != 0) {
        agent = fmt::format("no agent: {}", strerror(table.agent_errno));
    }
    return {{"pid", pid},
            {"program", program_name(pid)},
            {"attached", table.attached != 0},
            {"agent", agent},
            {"accelerated", table.accelerated},
            {"accelerated_listeners", table.accelerated_listeners},
            {"fallbacks", table.fallbacks},
            {"tx_bytes", table.tx_bytes},
            {"rx_bytes", table.rx_bytes},
            {"counts", counts_json(table)},
            {"sockets", sockets}};
}

// The library is there and its table is not: it found no agent, or the table could not be made.
Json silent_json(int pid)
{
    return {{"pid", pid},           {"program", program_name(pid)},
            {"attached", false},    {"agent", "the library keeps no table: no agent is attached"},
            {"accelerated", 0},     {"accelerated_listeners", 0},
            {"fallbacks", 0},       {"counts", Json::object()},
            {"sockets", Json::array()}};
}

std::optional<Json> look_at(int pid)
{
    if (const auto table = table_of(pid)) {
        return process_json(pid, *table);
    }
    if (library_is_mapped(pid)) {
        return silent_json(pid);
    }
    return std::nullopt;
}

Json look_at_one(int pid)
{
    const std::string folder = fmt::format("/proc/{}", pid);
    if (access(folder.c_str(), F_OK) != 0) {
        throw Failure(kNotRunning, fmt::format("no process {}", pid));
    }
    if (access((folder + "/fd").c_str(), R_OK | X_OK) != 0) {
        throw Failure(kNoPrivilege, fmt::format("no privilege: process {} is another user's; "
                                                "try sudo", pid));
    }
    auto found = look_at(pid);
    if (!found) {
        throw Failure(kFailure, fmt::format("process {} ({}) does not run under eta-run: all its "
                                            "sockets are the OS stack's", pid, program_name(pid)));
    }
    return Json::array({*found});
}

Json look_at_all()
{
    Json all = Json::array();
    for (int pid : numbers_in("/proc")) {
        if (auto found = look_at(pid)) {
            all.push_back(*found);
        }
    }
    return all;
}

void print_process(const Json& p)
{
    fmt::print("{} (pid {}): {} connections accelerated, {} on the OS stack\n",
               p["program"].get<std::string>(), p["pid"].get<int>(),
               p["accelerated"].get<uint64_t>(), p["fallbacks"].get<uint64_t>());
    if (!p["agent"].is_null()) {
        fmt::print("    {}\n", p["agent"].get<std::string>());
    }
    for (const Json& s : p["sockets"]) {
        const uint32_t detail = s["detail"].get<uint32_t>();
        fmt::print("    fd {}{}{} {} -> {}: {}{}\n", s["fd"].get<int>(),
                   s["open"].get<bool>() ? "" : " (closed)",
                   s["listening"].get<bool>() ? " listening" : "", s["local"].get<std::string>(),
                   s["peer"].get<std::string>(), s["sentence"].get<std::string>(),
                   detail == 0 ? "" : fmt::format(" ({})", detail));
    }
    for (const auto& [reason, count] : p["counts"].items()) {
        fmt::print("    {:>8} x {}\n", count.get<uint64_t>(), reason);
    }
}

}  // namespace

int why(int pid, bool json)
{
    const Json processes = pid != 0 ? look_at_one(pid) : look_at_all();
    if (json) {
        print(Json{{"processes", processes}});
        return kOk;
    }
    if (processes.empty()) {
        fmt::print("no process runs under eta-run\n");
    }
    for (const Json& process : processes) {
        print_process(process);
    }
    return kOk;
}

}  // namespace eta::ctl
