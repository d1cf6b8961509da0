// SPDX-License-Identifier: MIT
// Starting and stopping daemons. Ends only processes whose pid file and program name match.

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "pool_view.h"

namespace eta::ctl {

namespace {

constexpr int kPollStepMs = 20;
constexpr int kStopLimitMs = 5000;

std::string short_name(const std::string& program)
{
    return program == "eta_fw" ? "fw" : program == "eta-agentd" ? "agentd" : program;
}

bool ends_within(int pidfd, int limit_ms)
{
    pollfd p{pidfd, POLLIN, 0};
    return poll(&p, 1, limit_ms) > 0;
}

[[noreturn]] void become(const std::vector<std::string>& args, int log)
{
    setsid();
    const int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    std::vector<char*> argv;
    for (const std::string& arg : args) {
        argv.push_back(const_cast<char*>(arg.c_str()));
    }
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    dprintf(2, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

}  // namespace

std::string find_program(const std::string& name)
{
    namespace fs = std::filesystem;
    std::error_code ignored;
    const fs::path self = fs::read_symlink("/proc/self/exe", ignored);
    for (const fs::path& folder :
         {self.parent_path(), self.parent_path().parent_path() / "sbin",
          fs::path(ETA_PREFIX "/sbin"), fs::path("/usr/local/sbin"), fs::path("/usr/sbin")}) {
        const fs::path candidate = folder / name;
        if (access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
    }
    throw Failure(kFailure, fmt::format("program {} is missing: build it with make", name));
}

Daemon::Daemon(std::string directory, std::string name)
    : directory_(std::move(directory)), name_(std::move(name)), file_(short_name(name_))
{
}

pid_t Daemon::running() const
{
    std::ifstream file(pid_path());
    pid_t pid = 0;
    if (!(file >> pid) || pid <= 0) {
        return 0;
    }
    std::ifstream comm(fmt::format("/proc/{}/comm", pid));
    std::string name;
    std::getline(comm, name);
    return name == name_ ? pid : 0;
}

std::string Daemon::last_words() const
{
    std::ifstream log(log_path());
    std::vector<std::string> lines;
    for (std::string line; std::getline(log, line);) {
        lines.push_back(line);
    }
    std::string text;
    for (size_t i = lines.size() - std::min<size_t>(lines.size(), 5); i < lines.size(); i++) {
        text += "\n    " + lines[i];
    }
    return text.empty() ? " (it said nothing)" : text;
}

void Daemon::start(const std::vector<std::string>& args, const std::function<bool()>& ready,
                   int limit_s)
{
    std::error_code error;
    std::filesystem::create_directories(directory_, error);
    const int log = open(log_path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (log < 0) {
        const int code = errno == EACCES || errno == EPERM ? kNoPrivilege : kFailure;
        throw Failure(code, fmt::format("{}: {}", log_path(), strerror(errno)));
    }
    const pid_t pid = fork();
    if (pid == 0) {
        become(args, log);
    }
    close(log);
    if (pid < 0) {
        throw Failure(kFailure, fmt::format("fork: {}", strerror(errno)));
    }
    std::ofstream(pid_path()) << pid << '\n';
    for (int waited_ms = 0; waited_ms < limit_s * 1000; waited_ms += kPollStepMs) {
        if (waitpid(pid, nullptr, WNOHANG) == pid) {
            unlink(pid_path().c_str());
            throw Failure(kFailure, fmt::format("{} ended at once:{}", name_, last_words()));
        }
        if (ready()) {
            return;
        }
        poll(nullptr, 0, kPollStepMs);
    }
    stop();
    throw Failure(kFailure,
                  fmt::format("{} was not ready after {} s:{}", name_, limit_s, last_words()));
}

bool Daemon::stop()
{
    const pid_t pid = running();
    if (pid == 0) {
        unlink(pid_path().c_str());
        return false;
    }
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0 || running() != pid) {
        return false;
    }
    if (kill(pid, SIGTERM) != 0 && errno == EPERM) {
        close(pidfd);
        throw Failure(kNoPrivilege, fmt::format("may not stop {} (pid {})", name_, pid));
    }
    if (!ends_within(pidfd, kStopLimitMs)) {
        kill(pid, SIGKILL);
        ends_within(pidfd, kStopLimitMs);
    }
    close(pidfd);
    unlink(pid_path().c_str());
    return true;
}

}  // namespace eta::ctl
