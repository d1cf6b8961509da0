// SPDX-License-Identifier: MIT
// eta-agentd and its client class together: started on a socket of its own in a network namespace
// of its own. Needs root for the namespace and the TAP device; skipped with a reason otherwise.
#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
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

namespace {

std::string agentd_path()
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
bool read_until(int fd, const char* word, std::string* text)
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
            if (extra.empty())
                execl(exe.c_str(), "eta-agentd", "--foreground", "--socket", path.c_str(), nullptr);
            else
                execl(exe.c_str(), "eta-agentd", "--foreground", "--socket", path.c_str(), extra.c_str(), nullptr);
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
bool eventually(const std::function<bool()>& f)
{
    for (int i = 0; i < 10000; i++) {
        if (f()) return true;
        usleep(1000);
    }
    return false;
}

bool loopback_up()
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
bool in_own_namespace(const char* name, const std::function<void(const std::string&)>& body)
{
    if (geteuid() != 0 || agentd_path().empty()) {
        std::printf("skip %s: %s\n", name, geteuid() ? "needs root" : "build/eta-agentd is missing");
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

int listening_socket(uint16_t port)
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

bool readable(int fd, int ms)
{
    pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

void attach_and_die(const std::string& path, int ready_fd)
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
unsigned next_note(eta::Agent& fw, unsigned* a)
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

void tell_agent(eta::Agent& fw, unsigned op, unsigned a)
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

eta_fw_port port_named(const char* ifname)
{
    eta_fw_port p{};
    std::strcpy(p.name, "link:test");
    std::strcpy(p.ifname, ifname);
    const __u8 mac[6] = {2, 0, 0, 0, 0, 9};
    std::memcpy(p.mac, mac, sizeof mac);
    p.mtu = 1500;
    return p;
}

}  // namespace

TEST_CASE("agentd: a program killed with -9 gives its slots back")
{
    REQUIRE(in_own_namespace("agentd kill", [](const std::string& path) {
        Agentd d(path);
        OK(d.ready());
        eta::Agent observer;
        OK(observer.open_at(path.c_str(), ETA_ROLE_OBSERVER) == 0);
        int p[2];
        OK(pipe(p) == 0);
        const pid_t pid = fork();
        if (pid == 0) attach_and_die(path, p[1]);
        char c;
        OK(read(p[0], &c, 1) == 1);
        const auto* desc = pool_at<eta_region_desc>(observer, observer.pool()->region_off);
        const auto* owner = pool_at<eta_owner>(observer, observer.pool()->owner_off);
        const auto* listener = pool_at<eta_listener>(observer, observer.pool()->listener_off);
        OK(desc[1].state == ETA_REGION_LIVE);
        OK(desc[1].pid == static_cast<__u32>(pid));
        OK(desc[1].n_dti == 1000);
        OK(owner[1000].region == 1);
        OK(listener[1].region == 1);
        OK(listener[1].port == htons(7777));
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        OK(eventually([&] { return eta_load_acquire(&desc[1].state) == ETA_REGION_FREE; }));
        OK(owner[1000].region == ETA_NONE);
        OK(listener[1].region == ETA_NONE);
    }));
}

TEST_CASE("agentd: with an accelerator the region drains first")
{
    REQUIRE(in_own_namespace("agentd drain", [](const std::string& path) {
        Agentd d(path);
        eta::Agent fw, app;
        unsigned n, first, listener, a = 0;
        OK(fw.open_at(path.c_str(), ETA_ROLE_FW) == 0);
        eta::Agent second;
        OK(second.open_at(path.c_str(), ETA_ROLE_FW) == -EBUSY);
        OK(app.open_at(path.c_str(), ETA_ROLE_APP) == 0);
        OK(app.attached().fw_running == 1);
        OK(app.ro()->fw_down == 0);
        OK(app.dti_create(100, &n, &first) == 0 && n == 100 && first == 0);
        OK(app.ro()->n_dti == 100);
        OK(app.listen(listening_socket(80), 0, 5, &listener) == 0);
        OK(next_note(fw, &a) == ETA_KQ_REGION_ADD && a == 1);
        OK(next_note(fw, &a) == ETA_KQ_LISTEN_ADD && a == listener);
        eta::MappedRegion m;
        OK(fw.fw_map(1, &m) == 0);
        OK(fw.fw_map(2, &m) == -ENOENT);
        app.rw()->armed_seq = 7;
        OK(m.rw->armed_seq == 7);
        m.ro->event_prod = 3;
        OK(app.ro()->event_prod == 3);
        const eta::MappedRegion* mapped[1] = {&m};
        const unsigned region[1] = {1};
        OK(!readable(app.wait_fd(), 0));
        OK(fw.interrupt(region, mapped, 1, false) == 0);
        OK(readable(app.wait_fd(), 5000));
        app.clear_wait();
        OK(!readable(app.wait_fd(), 0));
        OK(!readable(fw.wait_fd(), 0));
        app.kick();
        OK(readable(fw.wait_fd(), 5000));
        fw.clear_wait();
        app.close();
        const auto* desc = pool_at<eta_region_desc>(fw, fw.pool()->region_off);
        OK(eventually([&] { return eta_load_acquire(&desc[1].state) == ETA_REGION_DYING; }));
        OK(eventually([&] { return next_note(fw, &a) == ETA_KQ_LISTEN_DEL; }));
        OK(next_note(fw, &a) == ETA_KQ_REGION_DYING);
        fw.fw_unmap(&m);
        tell_agent(fw, ETA_KQ_LISTEN_GONE, listener);
        tell_agent(fw, ETA_KQ_REGION_GONE, 1);
        OK(eventually([&] { return eta_load_acquire(&desc[1].state) == ETA_REGION_FREE; }));
    }));
}

TEST_CASE("agentd: programs learn of the accelerator's death and of the agent's")
{
    REQUIRE(in_own_namespace("agentd deaths", [](const std::string& path) {
        Agentd d(path);
        eta::Agent app;
        OK(app.open_at(path.c_str(), ETA_ROLE_APP) == 0);
        OK(app.ro()->fw_down == 1);
        {
            eta::Agent fw;
            OK(fw.open_at(path.c_str(), ETA_ROLE_FW) == 0);
            OK(readable(app.wait_fd(), 5000));
            app.clear_wait();
            OK(app.ro()->fw_down == 0);
            fw.close();
        }
        OK(readable(app.wait_fd(), 5000));
        OK(app.ro()->fw_down == 1);
        d.stop(SIGKILL);
        pollfd p = {app.control_fd(), 0, 0};
        OK(poll(&p, 1, 5000) == 1 && (p.revents & POLLHUP));
        unsigned n, first;
        OK(app.dti_create(1, &n, &first) == -ECONNRESET);
        app.kick();  // nobody there: no signal
        Agentd again(path);  // over the socket that was left behind
        OK(again.ready());
        eta::Agent other;
        OK(other.open_at(path.c_str(), ETA_ROLE_APP) == 0);
    }));
}

TEST_CASE("agentd: a program cannot write to what is not its own")
{
    REQUIRE(in_own_namespace("agentd memory", [](const std::string& path) {
        Agentd d(path);
        const int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::strcpy(un.sun_path, path.c_str());
        OK(connect(s, reinterpret_cast<sockaddr*>(&un), sizeof un) == 0);
        eta_msg m{};
        auto* a = reinterpret_cast<eta_attach*>(m.payload);
        m.cmd = ETA_CMD_ATTACH;
        m.size = sizeof(eta_attach);
        a->abi_version = ETA_ABI_VERSION;
        a->role = ETA_ROLE_APP;
        OK(send(s, &m, sizeof m, 0) == sizeof m);
        alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
        iovec iov = {&m, sizeof m};
        msghdr msg{};
        msg.msg_iov = &iov;
        msg.msg_iovlen = 1;
        msg.msg_control = control;
        msg.msg_controllen = sizeof control;
        OK(recvmsg(s, &msg, 0) == sizeof m && m.ret == 0);
        int fd[4];
        std::memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
        OK(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd[0], 0) == MAP_FAILED);
        void* ro = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd[0], 0);
        OK(ro != MAP_FAILED);
        OK(mprotect(ro, 4096, PROT_READ | PROT_WRITE) != 0 && errno == EACCES);
        OK(write(fd[0], "x", 1) < 0);
        for (int i = 0; i < 2; i++) {
            OK(ftruncate(fd[i], 0) != 0);
            OK(fcntl(fd[i], F_ADD_SEALS, F_SEAL_WRITE) != 0);
        }
        OK(read(fd[3], &m, 8) < 0);  // kicks of others cannot be swallowed
        const pid_t user = fork();
        if (user == 0) {  // another user cannot open it anew
            OK(setresuid(65534, 65534, 65534) == 0);
            for (int i = 0; i < 2; i++)
                OK(open(("/proc/self/fd/" + std::to_string(fd[i])).c_str(), O_RDWR) < 0);
            _exit(0);
        }
        int status;
        OK(waitpid(user, &status, 0) == user && status == 0);
    }));
}

TEST_CASE("agentd: privileged roles and other network namespaces are refused")
{
    REQUIRE(in_own_namespace("agentd roles", [](const std::string& path) {
        Agentd d(path);
        OK(d.ready());
        chmod(path.substr(0, path.rfind('/')).c_str(), 0755);
        const pid_t user = fork();
        if (user == 0) {
            eta::Agent a, b, c;
            OK(setresuid(65534, 65534, 65534) == 0);
            OK(a.open_at(path.c_str(), ETA_ROLE_FW) == -EPERM);
            OK(b.open_at(path.c_str(), ETA_ROLE_OBSERVER) == -EPERM);
            OK(c.open_at(path.c_str(), ETA_ROLE_APP) == 0);
            _exit(0);
        }
        int status;
        OK(waitpid(user, &status, 0) == user && status == 0);
        const pid_t stranger = fork();
        if (stranger == 0) {
            eta::Agent a;
            OK(unshare(CLONE_NEWNET) == 0);
            OK(a.open_at(path.c_str(), ETA_ROLE_APP) == -EXDEV);
            _exit(0);
        }
        OK(waitpid(stranger, &status, 0) == stranger && status == 0);
    }));
}

TEST_CASE("agentd: only a listening TCP socket proves the right to a port")
{
    REQUIRE(in_own_namespace("agentd listen", [](const std::string& path) {
        Agentd d(path);
        eta::Agent app;
        unsigned n, first, listener;
        OK(app.open_at(path.c_str(), ETA_ROLE_APP) == 0);
        OK(app.dti_create(4, &n, &first) == 0);
        const int tcp = socket(AF_INET, SOCK_STREAM, 0);
        OK(app.listen(tcp, 0, 1, &listener) == -EDESTADDRREQ);
        const int udp = socket(AF_INET, SOCK_DGRAM, 0);
        OK(app.listen(udp, 0, 1, &listener) == -EPROTONOSUPPORT);
        const int null = open("/dev/null", O_RDONLY);
        OK(app.listen(null, 0, 1, &listener) == -ENOTSOCK);
        OK(app.listen(-1, 0, 1, &listener) == -ENOTSOCK);
        OK(app.listen(listening_socket(9), 0, 1, &listener) == 0);
        OK(app.unlisten(listener) == 0);
        OK(app.unlisten(listener) == -ENOENT);
        int old = open("/proc/self/ns/net", O_RDONLY);
        OK(unshare(CLONE_NEWNET) == 0 && loopback_up());
        const int foreign = listening_socket(9);
        OK(setns(old, CLONE_NEWNET) == 0);
        OK(app.listen(foreign, 0, 1, &listener) == -EXDEV);
    }));
}

TEST_CASE("agentd: broken datagrams are answered with an error and hurt nobody")
{
    REQUIRE(in_own_namespace("agentd datagrams", [](const std::string& path) {
        Agentd d(path);
        const int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::strcpy(un.sun_path, path.c_str());
        OK(connect(s, reinterpret_cast<sockaddr*>(&un), sizeof un) == 0);
        char big[4096] = {};
        eta_msg answer;
        for (size_t size : {size_t{1}, sizeof(eta_msg) - 1, sizeof(eta_msg) + 1, sizeof big}) {
            OK(send(s, big, size, 0) == static_cast<ssize_t>(size));
            OK(recv(s, &answer, sizeof answer, 0) == sizeof answer && answer.ret == -EINVAL);
        }
        eta_msg m{};
        m.cmd = 99;
        OK(send(s, &m, sizeof m, 0) == sizeof m);
        OK(recv(s, &answer, sizeof answer, 0) == sizeof answer && answer.ret == -ENOTTY);
        m.cmd = ETA_CMD_ATTACH;
        m.size = 145;
        OK(send(s, &m, sizeof m, 0) == sizeof m);
        OK(recv(s, &answer, sizeof answer, 0) == sizeof answer && answer.ret == -EINVAL);
        // One that never reads its answers is dropped, and the agent goes on.
        const int deaf = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        OK(connect(deaf, reinterpret_cast<sockaddr*>(&un), sizeof un) == 0);
        bool dropped = false;
        for (int i = 0; i < 100000 && !dropped; i++)
            dropped = send(deaf, &m, sizeof m, MSG_NOSIGNAL) < 0;
        OK(dropped);
        eta::Agent app;
        OK(app.open_at(path.c_str(), ETA_ROLE_APP) == 0);
    }));
}

TEST_CASE("agentd: eta0 appears with the port, carries frames and goes with the agent")
{
    REQUIRE(in_own_namespace("agentd eta0", [](const std::string& path) {
        Agentd d(path);
        eta::Agent fw;
        OK(fw.open_at(path.c_str(), ETA_ROLE_FW) == 0);
        OK(fw.fw_port(port_named("lo")) == -EEXIST);
        OK(fw.fw_port(port_named("eta0")) == 0);
        OK(fw.fw_port(port_named("eta0")) == 0);  // a restarted accelerator says it again
        OK(if_nametoindex("eta0") != 0);
        fw.close();
        OK(eventually([&] { return fw.open_at(path.c_str(), ETA_ROLE_FW) == 0; }));
        OK(if_nametoindex("eta0") != 0);
        OK(std::system("ip addr add 10.77.0.1/24 dev eta0 && ip link set eta0 up") == 0);
        const auto* hdr = fw.pool();
        const auto* addr = pool_at<eta_addr>(fw, hdr->addr_off);
        const auto* route = pool_at<eta_route>(fw, hdr->route_off);
        const auto* neigh = pool_at<eta_neigh>(fw, hdr->neigh_off);
        OK(eventually([&] {
            return addr[0].valid && addr[1].valid && (addr[0].on_lo != addr[1].on_lo);
        }));
        OK(eventually([&] { return route[0].valid && route[0].plen == 120 && route[0].dst[12] == 10; }));
        // The accelerator wants a next hop: the kernel asks through eta0, that is, through us.
        auto* p = const_cast<eta_proc*>(pool_at<eta_proc>(fw, hdr->proc_off));
        auto* to_agent = const_cast<eta_kq*>(pool_at<eta_kq>(fw, hdr->to_agent_off));
        eta_kq& e = to_agent[p->to_agent_prod % ETA_KQ_DEPTH];
        const __u8 next_hop[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, 2};
        e = {};
        e.op = ETA_KQ_NEIGH_WANTED;
        std::memcpy(e.addr, next_hop, 16);
        eta_store_once(&p->asleep, 1u);
        eta_ring_publish(&p->to_agent_prod, p->to_agent_prod + 1);
        fw.interrupt_agent();
        OK(readable(fw.wait_fd(), 5000));
        auto* raw_tx = const_cast<char*>(pool_at<char>(fw, hdr->raw_tx_off));
        auto* raw_rx = const_cast<char*>(pool_at<char>(fw, hdr->raw_rx_off));
        char* request = nullptr;
        OK(eventually([&] {
            if (!eta_ring_ready(&p->raw_tx_prod, p->raw_tx_cons)) return false;
            char* frame = raw_tx + (p->raw_tx_cons % ETA_RAW_DEPTH) * ETA_RAW_FRAME + sizeof(eta_raw);
            eta_ring_release(&p->raw_tx_cons, p->raw_tx_cons + 1);
            if (frame[12] == 8 && frame[13] == 6) request = frame;
            return request != nullptr;
        }));
        // The answer of 10.77.0.2.
        char* slot = raw_rx + (p->raw_rx_prod % ETA_RAW_DEPTH) * ETA_RAW_FRAME;
        char* f = slot + sizeof(eta_raw);
        reinterpret_cast<eta_raw*>(slot)->len = 42;
        std::memcpy(f, request + 6, 6);
        const char peer[6] = {2, 0, 0, 0, 0, 2};
        std::memcpy(f + 6, peer, 6);
        std::memcpy(f + 12, request + 12, 8);
        f[20] = 0;
        f[21] = 2;
        std::memcpy(f + 22, peer, 6);
        std::memcpy(f + 28, next_hop + 12, 4);
        std::memcpy(f + 32, request + 22, 10);
        eta_ring_publish(&p->raw_rx_prod, p->raw_rx_prod + 1);
        fw.interrupt_agent();
        OK(eventually([&] { return neigh[0].valid && std::memcmp(neigh[0].mac, peer, 6) == 0; }));
        OK(std::memcmp(neigh[0].addr, next_hop, 16) == 0);
        OK((eta_load_once(&hdr->tables_seq) & 1) == 0);
        OK(WIFEXITED(d.stop(SIGTERM)));
        OK(eventually([&] { return if_nametoindex("eta0") == 0; }));
        OK(access(path.c_str(), F_OK) != 0);
    }));
}

TEST_CASE("agentd: a second agent on the same socket, bad options and strange files are refused")
{
    REQUIRE(in_own_namespace("agentd start", [](const std::string& path) {
        {
            Agentd d(path);
            OK(d.ready());
            Agentd second(path);
            OK(second.wait() == 1);
            OK(second.text.find("another agent runs here") != std::string::npos);
            Agentd bad(path, "--max-connections=0");
            OK(bad.wait() == 2);
            OK(bad.text.find("--max-connections wants a number") != std::string::npos);
            Agentd extra(path, "nonsense");
            OK(extra.wait() == 2);
            int status = d.stop(SIGTERM);
            OK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        OK(access(path.c_str(), F_OK) != 0);
        OK(access((path + ".kick").c_str(), F_OK) != 0);
        close(open(path.c_str(), O_CREAT | O_WRONLY, 0600));
        Agentd file(path);
        OK(file.wait() == 1);
        OK(access(path.c_str(), F_OK) == 0);  // not ours to remove
        unlink(path.c_str());
    }));
}

TEST_CASE("agentd: connections are bounded and come back")
{
    REQUIRE(in_own_namespace("agentd bound", [](const std::string& path) {
        Agentd d(path, "--max-connections=3");
        OK(d.ready());
        eta::Agent a[4];
        for (int i = 0; i < 3; i++) OK(a[i].open_at(path.c_str(), ETA_ROLE_APP) == 0);
        OK(a[3].open_at(path.c_str(), ETA_ROLE_APP) != 0);
        a[0].close();
        OK(eventually([&] { return a[3].open_at(path.c_str(), ETA_ROLE_APP) == 0; }));
    }));
}
