// SPDX-License-Identifier: MIT
// Daemons of eta-ctl: started with a pid file and a log, found again by them, stopped by pid.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace eta::ctl {

class Daemon {
public:
    // `name` is the program ("eta_fw"); its files are NAME.pid and NAME.log in `directory`.
    Daemon(std::string directory, std::string name);

    // Pid of the running program, 0 if there is none. A stale pid file (another program has that
    // pid by now) counts as none.
    pid_t running() const;
    // Starts the program detached; waits until `ready` says so. Throws Failure with the last
    // words of the program when it dies before, and stops it after `limit_s`.
    void start(const std::vector<std::string>& args, const std::function<bool()>& ready,
               int limit_s);
    // SIGTERM, and SIGKILL after some seconds. False: it did not run.
    bool stop();

    std::string log_path() const { return directory_ + "/" + file_ + ".log"; }

private:
    std::string pid_path() const { return directory_ + "/" + file_ + ".pid"; }
    std::string last_words() const;

    std::string directory_;
    std::string name_;
    std::string file_;
};

// The program beside eta-ctl itself, else in PREFIX/sbin, else found by PATH.
std::string find_program(const std::string& name);

}  // namespace eta::ctl
