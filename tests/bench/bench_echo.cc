// SPDX-License-Identifier: MIT
// Echo of 64-byte messages: `server` and `client`, one thread each. Modes: epoll (sleeps),
// spin (epoll without sleeping), blocking and busy (one connection, plain recv).
// The client keeps --inflight messages under way on each connection and checks every answer.
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "bench.h"

namespace {

using namespace bench;

constexpr size_t kMessage = 64;
constexpr uint32_t kInflightMax = 1024;
constexpr size_t kReadBytes = 65536;
constexpr int kEvents = 256;
constexpr uint64_t kStallNs = 5'000'000'000;

enum class Mode { kEpoll, kSpin, kBlocking, kBusy };

Mode mode_of(const Options& o) {
    std::string m = o.text("mode", "epoll");
    if (m == "epoll") return Mode::kEpoll;
    if (m == "spin") return Mode::kSpin;
    if (m == "blocking") return Mode::kBlocking;
    if (m == "busy") return Mode::kBusy;
    usage("--mode is epoll, spin, blocking or busy");
}

// One recv in the manner of the mode. 0: end of stream.
size_t receive_some(int fd, char* buf, size_t size, Mode mode, bool yield) {
    uint64_t spins = 0;
    uint64_t begin = 0;
    for (;;) {
        ssize_t n = recv(fd, buf, size, mode == Mode::kBusy ? MSG_DONTWAIT : 0);
        if (n >= 0) return static_cast<size_t>(n);
        if (errno != EAGAIN && errno != EINTR) fail("recv");
        if (yield) sched_yield();
        if ((++spins & 0xffff) != 0) continue;
        if (begin == 0) begin = now_ns();
        if (now_ns() - begin > kStallNs) fail("no data for 5 seconds");
    }
}

// ---- server ----

struct Server {
    Mode mode;
    bool yield;
    uint64_t expected;  // connections to serve before the end
    Tuning tuning;
    Address at;
    int listener = -1;
    int epoll = -1;
    uint64_t accepted = 0;
    uint64_t closed = 0;
    uint64_t bytes = 0;
    char buf[kReadBytes];
};

void serve_one(Server& s) {
    int fd = accept(s.listener, nullptr, nullptr);
    if (fd < 0) fail("accept");
    tune(fd, s.at, s.tuning);
    for (;;) {
        size_t n = receive_some(fd, s.buf, sizeof s.buf, s.mode, s.yield);
        if (n == 0) break;
        s.bytes += n;
        send_all(fd, s.buf, n);
    }
    close(fd);
    s.closed = s.accepted = 1;
}

void accept_all(Server& s) {
    for (;;) {
        int fd = accept4(s.listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (fd < 0) fail("accept4");
        tune(fd, s.at, s.tuning);
        epoll_event ev = {EPOLLIN, {.fd = fd}};
        if (epoll_ctl(s.epoll, EPOLL_CTL_ADD, fd, &ev) != 0) fail("epoll_ctl");
        ++s.accepted;
    }
}

void echo_once(Server& s, int fd) {
    ssize_t n = recv(fd, s.buf, sizeof s.buf, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0) {
        s.bytes += static_cast<uint64_t>(n);
        send_all(fd, s.buf, static_cast<size_t>(n));
        return;
    }
    close(fd);
    ++s.closed;
}

void serve_many(Server& s) {
    set_nonblocking(s.listener);
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s.epoll < 0) fail("epoll_create1");
    epoll_event ev = {EPOLLIN, {.fd = s.listener}};
    if (epoll_ctl(s.epoll, EPOLL_CTL_ADD, s.listener, &ev) != 0) fail("epoll_ctl");
    epoll_event events[kEvents];
    int timeout_ms = s.mode == Mode::kSpin ? 0 : 1000;
    while (s.closed < s.expected) {
        int n = epoll_wait(s.epoll, events, kEvents, timeout_ms);
        if (n < 0 && errno != EINTR) fail("epoll_wait");
        if (n <= 0 && s.yield) sched_yield();
        for (int i = 0; i < n; ++i) {
            if (events[i].data.fd == s.listener) accept_all(s);
            else echo_once(s, events[i].data.fd);
        }
    }
}

int run_server(const Options& o, const Address& at) {
    auto s = std::make_unique<Server>();
    s->mode = mode_of(o);
    s->yield = o.flag("yield");
    s->expected = o.number("conns", 1);
    s->tuning = tuning_of(o);
    s->at = at;
    s->listener = open_listener(at, s->tuning, 1024);
    announce_ready();
    if (s->mode == Mode::kBlocking || s->mode == Mode::kBusy) serve_one(*s);
    else serve_many(*s);
    std::printf("{\"accepted\": %llu, \"bytes\": %llu, \"cpu_total_s\": %.6f}\n",
                static_cast<unsigned long long>(s->accepted),
                static_cast<unsigned long long>(s->bytes), cpu_seconds_self());
    return 0;
}

// ---- client ----

struct Connection {
    int fd = -1;
    uint32_t sent = 0;      // messages
    uint32_t received = 0;  // messages
    uint32_t fill = 0;      // bytes of the answer that is arriving
    char answer[kMessage];
    std::unique_ptr<uint64_t[]> stamp;  // send times, by message number
};

struct Client {
    Client(const Options& o) : meter(o.all("watch")) {}
    Mode mode = Mode::kEpoll;
    bool yield = false;
    uint32_t inflight = 1;
    uint64_t warm_until = 0;
    uint64_t end_at = 0;
    uint64_t began = 0;
    uint64_t ended = 0;
    bool measuring = false;
    bool done = false;
    uint64_t requests = 0;  // inside the measured time
    CpuMeter meter;
    Histogram latency;
    std::vector<Connection> conns;
    char rx[kReadBytes];
    char tx[kInflightMax * kMessage];
};

void send_messages(Client& cl, Connection& c, uint32_t count) {
    uint64_t now = now_ns();
    for (uint32_t i = 0; i < count; ++i) {
        char* m = cl.tx + i * kMessage;
        uint32_t number = c.sent + i;
        std::memset(m, static_cast<int>(number & 0xff), kMessage);
        std::memcpy(m, &number, sizeof number);
        c.stamp[number % cl.inflight] = now;
    }
    c.sent += count;
    send_all(c.fd, cl.tx, count * kMessage);
}

// Counts the answers in `n` received bytes and checks their numbers.
uint32_t take_answers(Client& cl, Connection& c, size_t n, uint64_t now) {
    uint32_t whole = 0;
    for (size_t at = 0; at < n;) {
        size_t part = kMessage - c.fill;
        if (part > n - at) part = n - at;
        std::memcpy(c.answer + c.fill, cl.rx + at, part);
        c.fill += static_cast<uint32_t>(part);
        at += part;
        if (c.fill < kMessage) break;
        c.fill = 0;
        uint32_t number;
        std::memcpy(&number, c.answer, sizeof number);
        if (number != c.received || c.answer[kMessage - 1] != static_cast<char>(number & 0xff)) {
            errno = EBADMSG;
            fail("wrong answer");
        }
        if (cl.measuring) cl.latency.add(now - c.stamp[number % cl.inflight]);
        ++c.received;
        ++whole;
    }
    if (cl.measuring) cl.requests += whole;
    return whole;
}

void follow_clock(Client& cl, uint64_t now) {
    if (cl.done) return;
    if (!cl.measuring && cl.began == 0 && now >= cl.warm_until) {
        cl.meter.start();
        cl.began = now_ns();
        cl.measuring = true;
    }
    if (now >= cl.end_at) {
        cl.ended = now;
        cl.meter.stop();
        cl.measuring = false;
        cl.done = true;
    }
}

void run_single(Client& cl) {
    Connection& c = cl.conns[0];
    send_messages(cl, c, cl.inflight);
    while (c.received != c.sent) {
        size_t n = receive_some(c.fd, cl.rx, sizeof cl.rx, cl.mode, cl.yield);
        if (n == 0) usage("server closed the connection early");
        uint64_t now = now_ns();
        uint32_t whole = take_answers(cl, c, n, now);
        follow_clock(cl, now);
        if (!cl.done && whole != 0) send_messages(cl, c, whole);
    }
}

// Returns how many answers arrived on this connection.
uint32_t on_readable(Client& cl, Connection& c) {
    ssize_t n = recv(c.fd, cl.rx, sizeof cl.rx, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n < 0) fail("recv");
    if (n == 0) usage("server closed a connection early");
    uint64_t now = now_ns();
    uint32_t whole = take_answers(cl, c, static_cast<size_t>(n), now);
    follow_clock(cl, now);
    if (!cl.done && whole != 0) send_messages(cl, c, whole);
    return whole;
}

void run_epoll(Client& cl) {
    int ep = epoll_create1(EPOLL_CLOEXEC);
    if (ep < 0) fail("epoll_create1");
    uint64_t outstanding = 0;
    for (uint32_t i = 0; i < cl.conns.size(); ++i) {
        set_nonblocking(cl.conns[i].fd);
        epoll_event ev = {EPOLLIN, {.u32 = i}};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, cl.conns[i].fd, &ev) != 0) fail("epoll_ctl");
        send_messages(cl, cl.conns[i], cl.inflight);
        outstanding += cl.inflight;
    }
    epoll_event events[kEvents];
    uint64_t last_ns = now_ns();
    while (outstanding != 0) {
        int n = epoll_wait(ep, events, kEvents, cl.mode == Mode::kSpin ? 0 : 1000);
        if (n < 0 && errno != EINTR) fail("epoll_wait");
        uint64_t answers = 0;
        for (int i = 0; i < n; ++i) {
            Connection& c = cl.conns[events[i].data.u32];
            uint32_t before = c.sent;
            uint32_t whole = on_readable(cl, c);
            answers += whole;
            outstanding += c.sent - before;
            outstanding -= whole;
        }
        if (answers != 0) {
            last_ns = 0;
            continue;
        }
        if (cl.yield) sched_yield();
        if (last_ns == 0) last_ns = now_ns();
        if (now_ns() - last_ns > kStallNs) fail("no answer for 5 seconds");
    }
    close(ep);
}

void connect_all(Client& cl, const Address& to, const Options& o) {
    Tuning t = tuning_of(o);
    for (Connection& c : cl.conns) {
        c.fd = open_connection(to, t);
        c.stamp = std::make_unique<uint64_t[]>(cl.inflight);
    }
}

int run_client(const Options& o, const Address& to) {
    auto cl = std::make_unique<Client>(o);
    cl->mode = mode_of(o);
    cl->yield = o.flag("yield");
    cl->inflight = static_cast<uint32_t>(o.number("inflight", 1));
    if (cl->inflight == 0 || cl->inflight > kInflightMax) usage("--inflight is 1..1024");
    cl->conns.resize(o.number("conns", 1));
    connect_all(*cl, to, o);
    uint64_t now = now_ns();
    cl->warm_until = now + static_cast<uint64_t>(o.real("warm", 0.3) * 1e9);
    cl->end_at = cl->warm_until + static_cast<uint64_t>(o.real("seconds", 1.0) * 1e9);
    if (cl->mode == Mode::kBlocking || cl->mode == Mode::kBusy) run_single(*cl);
    else run_epoll(*cl);
    for (Connection& c : cl->conns) close(c.fd);
    double seconds = static_cast<double>(cl->ended - cl->began) / 1e9;
    std::printf("{\"requests\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.3f, "
                "\"p99_us\": %.3f, \"p999_us\": %.3f, \"cpu\": %s}\n",
                static_cast<unsigned long long>(cl->requests), seconds,
                static_cast<double>(cl->requests) / seconds, cl->latency.quantile_us(0.5),
                cl->latency.quantile_us(0.99), cl->latency.quantile_us(0.999),
                cl->meter.json("client").c_str());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options o(argc, argv, {"addr", "mode", "conns", "inflight", "seconds", "warm", "cpu", "cc",
                           "busy-poll", "yield", "watch", "limit"});
    if (o.words().size() != 1) usage("bench_echo server|client --addr IP:PORT|unix:PATH ...");
    limit_seconds(static_cast<unsigned>(o.number("limit", 60)));
    pin_to_cpu(static_cast<int>(o.number("cpu", static_cast<uint64_t>(-1))));
    raise_fd_limit(o.number("conns", 1) + 64);
    Address a = parse_address(o.text("addr", "127.0.0.1:7000"));
    if (o.words()[0] == "server") return run_server(o, a);
    if (o.words()[0] == "client") return run_client(o, a);
    usage("bench_echo server|client");
}
