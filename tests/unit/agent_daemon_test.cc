// SPDX-License-Identifier: MIT
// eta-agentd and its client class together: roles, memory, deaths, bad input.
#include <catch2/catch.hpp>

#include "unit/agent_daemon.h"

using namespace eta::test;

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
        // Every interrupt is an edge, also for a waiter that never reads.
        const int edges = epoll_create1(0);
        epoll_event ev = {EPOLLIN | EPOLLET, {}};
        OK(epoll_ctl(edges, EPOLL_CTL_ADD, app.wait_fd(), &ev) == 0);
        for (int i = 0; i < 2000; i++) {
            OK(fw.interrupt(region, mapped, 1, false) == 0);
            OK(epoll_wait(edges, &ev, 1, 5000) == 1);
        }
        app.clear_wait();
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

TEST_CASE("agentd: in the background it serves when the command returns, and obeys signals")
{
    REQUIRE(in_own_namespace("agentd background", [](const std::string& path) {
        const std::string start = agentd_path() + " --socket " + path;
        OK(std::system(start.c_str()) == 0);
        eta::Agent app;
        OK(app.open_at(path.c_str(), ETA_ROLE_APP) == 0);
        OK(std::system((start + " 2> /dev/null").c_str()) != 0);  // runs already
        ucred cred{};
        socklen_t len = sizeof cred;
        OK(getsockopt(app.control_fd(), SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0);
        OK(kill(cred.pid, SIGTERM) == 0);
        pollfd p = {app.control_fd(), 0, 0};
        const bool gone = poll(&p, 1, 10000) == 1 && (p.revents & POLLHUP);
        if (!gone) kill(cred.pid, SIGKILL);
        OK(gone);
        OK(eventually([&] { return access(path.c_str(), F_OK) != 0; }));
    }));
}
