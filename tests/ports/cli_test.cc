// SPDX-License-Identifier: MIT
// eta_fw as a person meets it: options, messages, exit codes; start, second start, kill, restart
// and stop beside a real eta-agentd. ETA_BIN names the folder of the built programs.
#include <catch2/catch.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include <net/if.h>

#include "netns.h"

using namespace eta::test;

namespace {

std::string bin(const char* name)
{
    const char* dir = std::getenv("ETA_BIN");
    return std::string(dir ? dir : "build") + "/" + name;
}

// A program whose output is read by the test.
class Child {
public:
    explicit Child(const std::string& command)
    {
        int out[2];
        if (pipe(out) != 0) return;
        pid_ = fork();
        if (pid_ == 0) {
            dup2(out[1], 1);
            dup2(out[1], 2);
            close(out[0]);
            close(out[1]);
            execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), nullptr);
            _exit(127);
        }
        close(out[1]);
        out_ = out[0];
    }
    ~Child()
    {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            wait();
        }
        close(out_);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    // Output up to the end of the program, or until it holds `text`; five seconds at most.
    bool says(const std::string& text)
    {
        while (seen_.find(text) == std::string::npos) {
            pollfd p = {out_, POLLIN, 0};
            char buf[4096];
            if (poll(&p, 1, 5000) <= 0) return false;
            ssize_t n = read(out_, buf, sizeof buf);
            if (n <= 0) return false;
            seen_.append(buf, static_cast<size_t>(n));
        }
        return true;
    }

    void signal(int sig) { kill(pid_, sig); }

    // Exit code; 128 + signal if it was killed.
    int wait()
    {
        int status = 0;
        waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    const std::string& seen() const { return seen_; }

private:
    pid_t pid_ = -1;
    int out_ = -1;
    std::string seen_;
};

std::string temp_path(const char* name)
{
    return "/tmp/eta-test-" + std::to_string(getpid()) + "-" + name;
}

struct Agent {
    Agent()
        : socket(temp_path("agent")), child(bin("eta-agentd") + " --foreground --socket " + socket)
    {
        REQUIRE(child.says("ready"));
    }
    ~Agent() { unlink(socket.c_str()); }

    std::string fw(const std::string& port) const
    {
        return bin("eta_fw") + " --agent " + socket + " --port " + port;
    }

    std::string socket;
    Child child;
};

struct Lab {
    Lab()
    {
        REQUIRE(enter_new_netns());
        make_veth("etax0", "etax1");
    }
};

}  // namespace

TEST_CASE("eta_fw: wrong options end with 2 and say what is wrong")
{
    const std::pair<const char*, const char*> cases[] = {
        {"", "--port is missing"},
        {"--port", "needs a value"},
        {"--nonsense", "unknown option"},
        {"-Z", "unknown option"},
        {"--port veth0", "not of the form"},
        {"--port dpdk:0", "unknown kind of port"},
        {"--port tap:", "lacks the name"},
        {"--port af_xdp:veth0,x", "queue"},
        {"--port tap:a --cpu x", "--cpu"},
        {"--port tap:a --cpu -1", "--cpu"},
        {"--port tap:a --idle=doze", "neither spin nor sleep"},
        {"--port tap:a --idle-us 1e3", "--idle-us"},
        {"--port tap:a --eta0 a/b", "--eta0"},
        {"--port tap:a --eta0 interface-name-16", "--eta0"},
        {"--port tap:a --seed zero", "--seed"},
        {"--port tap:a extra", "unexpected argument"},
    };
    for (const auto& [args, message] : cases) {
        Child c(bin("eta_fw") + " " + args);
        INFO(args);
        c.says("--help");
        CHECK(c.wait() == 2);
        CHECK(c.seen().find(message) != std::string::npos);
    }
}

TEST_CASE("eta_fw: help and version end with 0")
{
    Child help(bin("eta_fw") + " --help");
    CHECK(help.says("--port SPEC"));
    CHECK(help.wait() == 0);
    Child version(bin("eta_fw") + " --version");
    CHECK(version.says("binary interface"));
    CHECK(version.wait() == 0);
}

TEST_CASE("eta_fw: without an agent it ends with 1 and says so")
{
    Child c(bin("eta_fw") + " --agent " + temp_path("none") + " --port tap:etatap0");
    CHECK(c.says("no kernel agent"));
    CHECK(c.wait() == 1);
}

TEST_CASE("eta_fw: a processor that is not there ends it with 1")
{
    Child c(bin("eta_fw") + " --cpu 4000 --port tap:etatap0");
    CHECK(c.says("processor 4000"));
    CHECK(c.wait() == 1);
}

TEST_CASE("eta_fw: a port that does not exist ends it with 1 and leaves the agent free for another")
{
    Lab lab;
    Agent agent;
    Child bad(agent.fw("af_xdp:etanone"));
    CHECK(bad.says("no such interface"));
    CHECK(bad.wait() == 1);
    Child good(agent.fw("af_xdp:etax0"));
    CHECK(good.says("ready"));
}

TEST_CASE("eta_fw: it says when it is ready, has eta0 made, and stops cleanly on SIGTERM")
{
    Lab lab;
    Agent agent;
    Child fw(agent.fw("af_xdp:etax0"));
    REQUIRE(fw.says("eta_fw: ready port=af_xdp:etax0"));
    CHECK(if_nametoindex("eta0") != 0);
    fw.signal(SIGTERM);
    CHECK(fw.says("stopped"));
    CHECK(fw.wait() == 0);
}

TEST_CASE("eta_fw: a second accelerator is refused and the first goes on")
{
    Lab lab;
    Agent agent;
    Child first(agent.fw("tap:etatap0"));
    REQUIRE(first.says("ready"));
    Child second(agent.fw("tap:etatap1"));
    CHECK(second.says("running already"));
    CHECK(second.wait() == 1);
    first.signal(SIGINT);
    CHECK(first.says("stopped"));
    CHECK(first.wait() == 0);
}

TEST_CASE("eta_fw: killed and started again it takes the same port at once")
{
    Lab lab;
    Agent agent;
    for (const char* port : {"af_xdp:etax0", "tap:etatap0"}) {
        for (int i = 0; i < 3; i++) {
            Child fw(agent.fw(port));
            INFO(port);
            REQUIRE(fw.says("ready"));
            fw.signal(SIGKILL);
            CHECK(fw.wait() == 128 + SIGKILL);
        }
    }
}

TEST_CASE("eta_fw: it ends with 1 when the agent dies")
{
    Lab lab;
    Agent agent;
    Child fw(agent.fw("tap:etatap0 --idle=spin"));
    REQUIRE(fw.says("ready"));
    agent.child.signal(SIGKILL);
    CHECK(fw.says("agent is gone"));
    CHECK(fw.wait() == 1);
}
