// SPDX-License-Identifier: MIT
// Tests of eta-agentd: runs it on a socket of its own in a network namespace of its own. Needs root
// for the namespace and the TAP device; a test is skipped with a reason otherwise.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include <eta/ring_ops.h>

#include "agent.h"

namespace eta::test {


inline std::string agentd_path()
{
    if (const char* p = std::getenv("ETA_AGENTD")) return p;
    char exe[512] = {};
    const ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    std::string dir(exe, n > 0 ? static_cast<size_t>(n) : 0);
    for (int up = 0; up < 3; up++) {
        dir.resize(dir.rfind('/') == std::string::npos ? 0 : dir.rfind('/'));
        if (access((dir + "/eta-agentd").c_str(), X_OK) == 0) return dir + "/eta-agentd";
    }
    return "";
}

// Reads a pipe until `word` was seen or it is closed.
inline bool read_until(int fd, const char* word, std::string* text)
{
    char buf[256];
    ssize_t n;
    while (text->find(word) == std::string::npos && (n = read(fd, buf, sizeof buf)) > 0)
        text->append(buf, static_cast<size_t>(n));
    return text->find(word) != std::string::npos;
}

class Agentd {
public:
    explicit Agentd(const std::string& path, const std::string& extra = "") : path_(path)
    {
        int p[2];
        if (pipe2(p, O_CLOEXEC)) return;
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            dup2(p[1], 1);  // nobody may wait for our output on account of an agent left over
            dup2(p[1], 2);
            const std::string exe = agentd_path();
            const char* last = extra.empty() ? nullptr : extra.c_str();
            execl(exe.c_str(), "eta-agentd", "--foreground", "--socket", path.c_str(), last,
                  nullptr);
            _exit(127);
        }
        close(p[1]);
        err_ = p[0];
        ready_ = read_until(err_, "ready on", &text);
    }
    ~Agentd() { stop(SIGKILL); }
    Agentd(const Agentd&) = delete;

    bool ready() const { return ready_; }
    int stop(int sig)
    {
        int status = -1;
        if (pid_ <= 0) return status;
        kill(pid_, sig);
        waitpid(pid_, &status, 0);
        pid_ = -1;
        close(err_);
        return status;
    }
    // For a process that ends by itself.
    int wait()
    {
        int status = -1;
        read_until(err_, "\1", &text);
        waitpid(pid_, &status, 0);
        pid_ = -1;
        close(err_);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    std::string text;

private:
    std::string path_;
    pid_t pid_ = -1;
    int err_ = -1;
    bool ready_ = false;
};

// Waits for a condition that becomes true when the agent has done its work; ten seconds at most.
inline bool eventually(const std::function<bool()>& f)
{
    for (int i = 0; i < 10000; i++) {
        if (f()) return true;
        usleep(1000);
    }
    return false;
}

inline bool loopback_up()
{
    ifreq ifr{};
    const int s = socket(AF_INET, SOCK_DGRAM, 0);
    std::strcpy(ifr.ifr_name, "lo");
    ifr.ifr_flags = IFF_UP | IFF_RUNNING;
    const bool ok = ioctl(s, SIOCSIFFLAGS, &ifr) == 0;
    close(s);
    return ok;
}

// A network namespace for the whole test program would surprise other tests: only in a child.
// Returns the child's verdict: true if `body` ran without a failed check.
inline bool in_own_namespace(const char* name, const std::function<void(const std::string&)>& body)
{
    if (geteuid() != 0 || agentd_path().empty()) {
        const char* why = geteuid() ? "needs root" : "build/eta-agentd is missing";
        std::printf("skip %s: %s\n", name, why);
        return true;
    }
    char dir[] = "/tmp/eta_agent_test_XXXXXX";
    if (!mkdtemp(dir)) return false;
    std::fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNET) || !loopback_up()) _exit(77);
        body(std::string(dir) + "/agent.sock");
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    unlink((std::string(dir) + "/agent.sock").c_str());
    unlink((std::string(dir) + "/agent.sock.kick").c_str());
    rmdir(dir);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        std::printf("skip %s: no network namespace here\n", name);
        return true;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// In the child: a failed check ends it, with its place on stderr.
#define CHECK_THAT_IN_CHILD(x)                                                       \
    do {                                                                             \
        if (!(x)) {                                                                  \
            std::fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #x, errno); \
            _exit(1);                                                                \
        }                                                                            \
    } while (0)
#define OK(x) CHECK_THAT_IN_CHILD(x)

inline int listening_socket(uint16_t port)
{
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(s, reinterpret_cast<sockaddr*>(&in), sizeof in) || listen(s, 5)) return -1;
    return s;
}

template <typename T>
const T* pool_at(const eta::Agent& a, __u64 off)
{
    return reinterpret_cast<const T*>(reinterpret_cast<const char*>(a.pool()) + off);
}

inline bool readable(int fd, int ms)
{
    pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

inline void attach_and_die(const std::string& path, int ready_fd)
{
    eta::Agent app;
    unsigned n, first, listener;
    if (app.open_at(path.c_str(), ETA_ROLE_APP) || app.dti_create(1000, &n, &first) ||
        app.listen(listening_socket(7777), 3, 5, &listener))
        _exit(1);
    if (write(ready_fd, "x", 1) != 1) _exit(1);
    pause();
}

// Next note for the accelerator, or 0.
inline unsigned next_note(eta::Agent& fw, unsigned* a)
{
    eta_proc* p = const_cast<eta_proc*>(pool_at<eta_proc>(fw, fw.pool()->proc_off));
    const eta_kq* q = pool_at<eta_kq>(fw, fw.pool()->to_fw_off);
    if (!eta_ring_ready(&p->to_fw_prod, p->to_fw_cons)) return 0;
    const eta_kq& e = q[p->to_fw_cons % ETA_KQ_DEPTH];
    *a = e.a;
    const unsigned op = e.op;
    eta_ring_release(&p->to_fw_cons, p->to_fw_cons + 1);
    return op;
}

inline void tell_agent(eta::Agent& fw, unsigned op, unsigned a)
{
    eta_proc* p = const_cast<eta_proc*>(pool_at<eta_proc>(fw, fw.pool()->proc_off));
    eta_kq* q = const_cast<eta_kq*>(pool_at<eta_kq>(fw, fw.pool()->to_agent_off));
    eta_kq& e = q[p->to_agent_prod % ETA_KQ_DEPTH];
    e = {};
    e.op = op;
    e.a = a;
    eta_ring_publish(&p->to_agent_prod, p->to_agent_prod + 1);
    fw.interrupt_agent();
}

inline eta_fw_port port_named(const char* ifname)
{
    eta_fw_port p{};
    std::strcpy(p.name, "link:test");
    std::strcpy(p.ifname, ifname);
    const __u8 mac[6] = {2, 0, 0, 0, 0, 9};
    std::memcpy(p.mac, mac, sizeof mac);
    p.mtu = 1500;
    return p;
}

}  // namespace eta::test
