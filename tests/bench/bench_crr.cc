// SPDX-License-Identifier: MIT
// Connect, one request, one response, close: `server` and `client`, epoll, one thread each.
// The client takes turns over --ports listening ports so that its own ports do not run out.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "bench.h"

namespace {

using namespace bench;

constexpr size_t kMessage = 64;
constexpr int kEvents = 256;
constexpr uint64_t kStallNs = 5'000'000'000;

void add_to_epoll(int ep, int op, int fd, uint32_t what, uint32_t tag) {
    epoll_event ev = {what, {.u64 = (uint64_t{tag} << 32) | static_cast<uint32_t>(fd)}};
    if (epoll_ctl(ep, op, fd, &ev) != 0) fail("epoll_ctl");
}

// ---- server: ends when the connection that says "end" arrives ----

struct Server {
    Tuning tuning;
    Address at;
    int epoll = -1;
    uint64_t served = 0;
    bool done = false;
};

constexpr uint32_t kTagListener = 1;
constexpr uint32_t kTagConnection = 2;

void accept_all(Server& s, int listener) {
    for (;;) {
        int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)) return;
        if (fd < 0) fail("accept4");
        tune(fd, s.at, s.tuning);
        add_to_epoll(s.epoll, EPOLL_CTL_ADD, fd, EPOLLIN, kTagConnection);
    }
}

void answer(Server& s, int fd) {
    char buf[4096];
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        close(fd);
        return;
    }
    if (n == 3 && std::memcmp(buf, "end", 3) == 0) s.done = true;
    else ++s.served;
    send_all(fd, buf, static_cast<size_t>(n));
}

int run_server(const Options& o, const Address& at) {
    Server s;
    s.tuning = tuning_of(o);
    s.at = at;
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s.epoll < 0) fail("epoll_create1");
    for (unsigned i = 0; i < o.number("ports", 1); ++i) {
        int fd = open_listener(with_port(at, i), s.tuning, 4096);
        set_nonblocking(fd);
        add_to_epoll(s.epoll, EPOLL_CTL_ADD, fd, EPOLLIN, kTagListener);
    }
    announce_ready();
    epoll_event events[kEvents];
    while (!s.done) {
        int n = epoll_wait(s.epoll, events, kEvents, 1000);
        if (n < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < n; ++i) {
            int fd = static_cast<int>(events[i].data.u64 & 0xffffffffu);
            if (events[i].data.u64 >> 32 == kTagListener) accept_all(s, fd);
            else answer(s, fd);
        }
    }
    std::printf("{\"served\": %llu, \"cpu_total_s\": %.6f}\n",
                static_cast<unsigned long long>(s.served), cpu_seconds_self());
    return 0;
}

// ---- client ----

enum class Step : uint8_t { kIdle, kConnecting, kWaiting };

struct Slot {
    int fd = -1;
    Step step = Step::kIdle;
    uint32_t got = 0;
    uint64_t begin_ns = 0;
};

struct Client {
    explicit Client(const Options& o) : meter(o.all("watch")) {}
    Tuning tuning;
    std::vector<Address> to;
    uint32_t next_port = 0;
    int epoll = -1;
    std::vector<Slot> slots;
    uint64_t transactions = 0;
    uint64_t errors = 0;
    bool measuring = false;
    CpuMeter meter;
    Histogram latency;
};

void begin_transaction(Client& cl, uint32_t index) {
    Slot& s = cl.slots[index];
    const Address& to = cl.to[cl.next_port++ % cl.to.size()];
    s.fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s.fd < 0) fail("socket");
    tune(s.fd, to, cl.tuning);
    s.begin_ns = now_ns();
    s.got = 0;
    s.step = Step::kConnecting;
    if (connect(s.fd, to.raw(), to.len) != 0 && errno != EINPROGRESS) fail("connect");
    epoll_event ev = {EPOLLOUT, {.u32 = index}};
    if (epoll_ctl(cl.epoll, EPOLL_CTL_ADD, s.fd, &ev) != 0) fail("epoll_ctl");
}

void end_transaction(Client& cl, Slot& s, bool good) {
    close(s.fd);
    s.fd = -1;
    s.step = Step::kIdle;
    if (!good) {
        ++cl.errors;
        return;
    }
    if (!cl.measuring) return;
    ++cl.transactions;
    cl.latency.add(now_ns() - s.begin_ns);
}

void on_event(Client& cl, uint32_t index) {
    static const char kRequest[kMessage] = "request";
    Slot& s = cl.slots[index];
    if (s.step == Step::kConnecting) {
        int err = 0;
        socklen_t len = sizeof err;
        if (getsockopt(s.fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0) fail("getsockopt");
        if (err != 0) return end_transaction(cl, s, false);
        send_all(s.fd, kRequest, sizeof kRequest);
        s.step = Step::kWaiting;
        epoll_event ev = {EPOLLIN, {.u32 = index}};
        if (epoll_ctl(cl.epoll, EPOLL_CTL_MOD, s.fd, &ev) != 0) fail("epoll_ctl");
        return;
    }
    char buf[4096];
    ssize_t n = recv(s.fd, buf, sizeof buf, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return end_transaction(cl, s, false);
    s.got += static_cast<uint32_t>(n);
    if (s.got >= kMessage) end_transaction(cl, s, true);
}

// Runs until `until_ns`; slots that are under way then stay so.
void run_until(Client& cl, uint64_t until_ns) {
    epoll_event events[kEvents];
    uint64_t last_ns = now_ns();
    for (uint64_t now = last_ns; now < until_ns; now = now_ns()) {
        int n = epoll_wait(cl.epoll, events, kEvents, 1000);
        if (n < 0 && errno != EINTR) fail("epoll_wait");
        if (n > 0) last_ns = now;
        if (now - last_ns > kStallNs) fail("no answer for 5 seconds");
        for (int i = 0; i < n; ++i) {
            uint32_t index = events[i].data.u32;
            on_event(cl, index);
            if (cl.slots[index].step == Step::kIdle) begin_transaction(cl, index);
        }
    }
}

void tell_server_to_end(const Client& cl) {
    int fd = open_connection(cl.to[0], cl.tuning);
    char buf[3];
    send_all(fd, "end", 3);
    while (recv(fd, buf, sizeof buf, 0) < 0 && errno == EINTR) {
    }
    close(fd);
}

int run_client(const Options& o, const Address& to) {
    auto cl = std::make_unique<Client>(o);
    cl->tuning = tuning_of(o);
    for (unsigned i = 0; i < o.number("ports", 1); ++i) cl->to.push_back(with_port(to, i));
    cl->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (cl->epoll < 0) fail("epoll_create1");
    cl->slots.resize(o.number("conns", 1));
    for (uint32_t i = 0; i < cl->slots.size(); ++i) begin_transaction(*cl, i);
    run_until(*cl, now_ns() + static_cast<uint64_t>(o.real("warm", 0.2) * 1e9));
    cl->meter.start();
    cl->measuring = true;
    uint64_t begin = now_ns();
    run_until(*cl, begin + static_cast<uint64_t>(o.real("seconds", 1) * 1e9));
    double seconds = static_cast<double>(now_ns() - begin) / 1e9;
    cl->meter.stop();
    for (Slot& s : cl->slots) close(s.fd);
    tell_server_to_end(*cl);
    std::printf("{\"transactions\": %llu, \"errors\": %llu, \"seconds\": %.6f, \"rate\": %.1f, "
                "\"p50_us\": %.3f, \"p99_us\": %.3f, \"cpu\": %s}\n",
                static_cast<unsigned long long>(cl->transactions),
                static_cast<unsigned long long>(cl->errors), seconds,
                static_cast<double>(cl->transactions) / seconds, cl->latency.quantile_us(0.5),
                cl->latency.quantile_us(0.99), cl->meter.json("client").c_str());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options o(argc, argv, {"addr", "ports", "conns", "seconds", "warm", "cpu", "cc", "busy-poll",
                           "watch", "limit"});
    if (o.words().size() != 1) usage("bench_crr server|client --addr IP:PORT ...");
    limit_seconds(static_cast<unsigned>(o.number("limit", 60)));
    pin_to_cpu(static_cast<int>(o.number("cpu", static_cast<uint64_t>(-1))));
    if (o.number("ports", 1) == 0 || o.number("ports", 1) > 64) usage("--ports is 1..64");
    raise_fd_limit(o.number("conns", 1) + 1024);
    Address a = parse_address(o.text("addr", "127.0.0.1:7000"));
    if (o.words()[0] == "server") return run_server(o, a);
    if (o.words()[0] == "client") return run_client(o, a);
    usage("bench_crr server|client");
}
