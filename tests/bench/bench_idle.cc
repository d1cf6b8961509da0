// SPDX-License-Identifier: MIT
// Memory of idle connections. Opens --conns connections over --ports listening ports, sends one
// echo over each, then lets them idle and prints what the resident memory has grown by.
// `both`: both ends in this process. `server` and `client`: two processes. Where one process may
// not have so many descriptors, scripts/bench.py runs several of them with --steps.
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
constexpr uint32_t kBatch = 64;
constexpr int kEvents = 256;

struct Memory {
    long rss_kb = 0;
    long pss_kb = 0;
    long private_kb = 0;
};

// Sum of the lines `key: N kB` of a file under /proc.
long read_kb(const std::string& path, const char* key) {
    FILE* f = std::fopen(path.c_str(), "r");
    if (f == nullptr) return 0;
    char line[256];
    long sum = 0;
    while (std::fgets(line, sizeof line, f) != nullptr) {
        long kb = 0;
        size_t len = std::strlen(key);
        if (std::strncmp(line, key, len) == 0 && line[len] == ':' &&
            std::sscanf(line + len + 1, "%ld", &kb) == 1) {
            sum += kb;
        }
    }
    std::fclose(f);
    return sum;
}

Memory memory_of(int pid) {
    std::string path = "/proc/" + std::to_string(pid) + "/smaps_rollup";
    return {read_kb(path, "Rss"), read_kb(path, "Pss"),
            read_kb(path, "Private_Clean") + read_kb(path, "Private_Dirty")};
}

struct Watched {
    std::string name;
    int pid;
    Memory begin;
};

struct SystemMemory {
    long shmem_kb = read_kb("/proc/meminfo", "Shmem");
    long slab_kb = read_kb("/proc/meminfo", "Slab");
    long available_kb = read_kb("/proc/meminfo", "MemAvailable");
};

struct Bench {
    Tuning tuning;
    std::vector<Address> to;
    std::vector<int> listeners;
    std::vector<int> near;  // client ends
    std::vector<int> far;   // server ends, when they are in this process
    int epoll = -1;         // negative: ends are not put into an epoll set
    bool both = false;
};

void receive_message(int fd) {
    char buf[kMessage];
    size_t got = 0;
    while (got < kMessage) {
        ssize_t n = recv(fd, buf + got, sizeof buf - got, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail("recv");
        if (n == 0) usage("connection closed early");
        got += static_cast<size_t>(n);
    }
}

void watch_end(const Bench& b, int fd) {
    if (b.epoll < 0) return;
    epoll_event ev = {EPOLLIN, {.fd = fd}};
    if (epoll_ctl(b.epoll, EPOLL_CTL_ADD, fd, &ev) != 0) fail("epoll_ctl");
}

void echo_pair(int near, int far) {
    static const char kText[kMessage] = "idle";
    send_all(near, kText, sizeof kText);
    if (far >= 0) {
        receive_message(far);
        send_all(far, kText, sizeof kText);
    }
    receive_message(near);
}

// Opens connections [first, last), all to one port.
void open_batch(Bench& b, uint32_t first, uint32_t last) {
    uint32_t port = first / kBatch % static_cast<uint32_t>(b.to.size());
    for (uint32_t i = first; i < last; ++i) b.near[i] = open_connection(b.to[port], b.tuning);
    for (uint32_t i = first; b.both && i < last; ++i) {
        b.far[i] = accept(b.listeners[port], nullptr, nullptr);
        if (b.far[i] < 0) fail("accept");
    }
    // Connections are accepted in any order, so the echo goes over all of the batch at once.
    static const char kText[kMessage] = "idle";
    for (uint32_t i = first; i < last; ++i) send_all(b.near[i], kText, sizeof kText);
    for (uint32_t i = first; b.both && i < last; ++i) {
        receive_message(b.far[i]);
        send_all(b.far[i], kText, sizeof kText);
        watch_end(b, b.far[i]);
    }
    for (uint32_t i = first; i < last; ++i) {
        receive_message(b.near[i]);
        watch_end(b, b.near[i]);
    }
}

void open_listeners(Bench& b, const Options& o, const Address& at) {
    for (unsigned i = 0; i < o.number("ports", 8); ++i) {
        b.to.push_back(with_port(at, i));
        if (o.words()[0] != "client") {
            b.listeners.push_back(open_listener(b.to.back(), b.tuning, 1024));
        }
    }
}

// One connection through the whole path first: the cost of the first is not that of the next.
void warm_up(Bench& b) {
    int near = open_connection(b.to[0], b.tuning);
    int far = b.both ? accept(b.listeners[0], nullptr, nullptr) : -1;
    if (b.both && far < 0) fail("accept");
    echo_pair(near, far);
    watch_end(b, near);
    close(near);
    if (far >= 0) close(far);
}

void print_json(const std::vector<Watched>& procs, const SystemMemory& before, uint64_t ends,
                uint64_t conns, double seconds) {
    SystemMemory after;
    std::printf("{\"connections\": %llu, \"ends\": %llu, \"seconds\": %.3f, \"shmem_kb\": %ld, "
                "\"slab_kb\": %ld, \"available_kb\": %ld, \"process\": {",
                static_cast<unsigned long long>(conns), static_cast<unsigned long long>(ends),
                seconds, after.shmem_kb - before.shmem_kb, after.slab_kb - before.slab_kb,
                before.available_kb - after.available_kb);
    const char* comma = "";
    for (const Watched& w : procs) {
        Memory m = memory_of(w.pid);
        std::printf("%s\"%s\": {\"rss_kb\": %ld, \"pss_kb\": %ld, \"private_kb\": %ld}", comma,
                    w.name.c_str(), m.rss_kb - w.begin.rss_kb, m.pss_kb - w.begin.pss_kb,
                    m.private_kb - w.begin.private_kb);
        comma = ", ";
    }
    std::printf("}}\n");
    std::fflush(stdout);
}

// With --steps a driver sets the pace: one line on standard input lets the program go on.
void wait_for_driver(const Options& o, const char* word) {
    if (!o.flag("steps")) return;
    char line[64];
    std::printf("%s %d\n", word, static_cast<int>(getpid()));
    std::fflush(stdout);
    if (std::fgets(line, sizeof line, stdin) == nullptr) usage("driver went away");
}

std::vector<Watched> watched_of(const Options& o) {
    std::vector<Watched> out;
    out.push_back({"self", static_cast<int>(getpid()), {}});
    for (const std::string& w : o.all("watch")) {
        size_t colon = w.rfind(':');
        if (colon == std::string::npos) usage("--watch wants NAME:PID");
        out.push_back({w.substr(0, colon), std::atoi(w.c_str() + colon + 1), {}});
    }
    return out;
}

int run_opener(const Options& o, const Address& at, bool both) {
    Bench b;
    b.both = both;
    b.tuning = tuning_of(o);
    uint32_t conns = static_cast<uint32_t>(o.number("conns", 1000));
    open_listeners(b, o, at);
    if (!o.flag("no-epoll")) b.epoll = epoll_create1(EPOLL_CLOEXEC);
    b.near.assign(conns, -1);
    b.far.assign(conns, -1);
    std::vector<Watched> procs = watched_of(o);
    warm_up(b);
    wait_for_driver(o, "ready");
    for (Watched& w : procs) w.begin = memory_of(w.pid);
    SystemMemory before;
    uint64_t begin_ns = now_ns();
    for (uint32_t i = 0; i < conns; i += kBatch) {
        open_batch(b, i, i + kBatch < conns ? i + kBatch : conns);
        if (o.flag("verbose") && i % (kBatch * 100) == 0) std::fprintf(stderr, "%u open\n", i);
    }
    double seconds = static_cast<double>(now_ns() - begin_ns) / 1e9;
    print_json(procs, before, uint64_t{conns} * 2, conns, seconds);
    wait_for_driver(o, "open");
    for (uint32_t i = 0; i < conns; ++i) {
        close(b.near[i]);
        if (b.far[i] >= 0) close(b.far[i]);
    }
    return 0;
}

struct Server {
    Bench b;
    uint64_t accepted = 0;
    uint64_t closed = 0;
};

void on_readable(Server& s, int fd) {
    char buf[4096];
    ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0) return send_all(fd, buf, static_cast<size_t>(n));
    close(fd);
    ++s.closed;
}

// Ends when --conns connections and the client's first one are closed.
int run_server(const Options& o, const Address& at) {
    Server s;
    s.b.tuning = tuning_of(o);
    open_listeners(s.b, o, at);
    s.b.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s.b.epoll < 0) fail("epoll_create1");
    int last_listener = s.b.listeners.back();
    for (int fd : s.b.listeners) {
        set_nonblocking(fd);
        watch_end(s.b, fd);
    }
    announce_ready();
    epoll_event events[kEvents];
    while (s.closed < o.number("conns", 1000) + 1) {
        int n = epoll_wait(s.b.epoll, events, kEvents, 1000);
        if (n < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < n; ++i) {
            int fd = events[i].data.fd;
            if (fd > last_listener || fd < s.b.listeners.front()) {
                on_readable(s, fd);
                continue;
            }
            int got;
            while ((got = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC)) >= 0) {
                watch_end(s.b, got);
                ++s.accepted;
            }
            if (errno != EAGAIN && errno != EINTR) fail("accept4");
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options o(argc, argv, {"addr", "ports", "conns", "cpu", "cc", "busy-poll", "watch", "limit",
                           "no-epoll", "verbose", "steps"});
    if (o.words().size() != 1) usage("bench_idle both|server|client --addr IP:PORT ...");
    limit_seconds(static_cast<unsigned>(o.number("limit", 300)));
    pin_to_cpu(static_cast<int>(o.number("cpu", static_cast<uint64_t>(-1))));
    uint64_t conns = o.number("conns", 1000);
    if (conns == 0 || conns > 400000) usage("--conns is 1..400000");
    if (o.number("ports", 8) == 0 || o.number("ports", 8) > 64) usage("--ports is 1..64");
    raise_fd_limit(o.number("conns", 1000) * 2 + 1024);
    Address a = parse_address(o.text("addr", "127.0.0.1:7000"));
    if (o.words()[0] == "both") return run_opener(o, a, true);
    if (o.words()[0] == "client") return run_opener(o, a, false);
    if (o.words()[0] == "server") return run_server(o, a);
    usage("bench_idle both|server|client");
}
