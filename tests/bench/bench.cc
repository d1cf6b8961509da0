// SPDX-License-Identifier: MIT
// Helpers of the benchmark programs; see bench.h.
#include "bench.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {

void fail(const std::string& what) {
    std::fprintf(stderr, "bench: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(1);
}

void usage(const std::string& what) {
    std::fprintf(stderr, "bench: %s\n", what.c_str());
    std::exit(2);
}

uint64_t now_ns() {
    timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return static_cast<uint64_t>(ts.tv_sec) * 1000000000u + static_cast<uint64_t>(ts.tv_nsec);
}

void pin_to_cpu(int cpu) {
    if (cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity");
}

void limit_seconds(unsigned seconds) { alarm(seconds); }

void raise_fd_limit(uint64_t wanted) {
    rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) fail("getrlimit");
    if (r.rlim_cur >= wanted) return;
    r.rlim_cur = wanted;
    if (r.rlim_max < wanted) r.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0) {
        fail("setrlimit RLIMIT_NOFILE " + std::to_string(wanted));
    }
}

Options::Options(int argc, char** argv, const std::vector<std::string>& known) {
    for (int i = 1; i < argc; ++i) {
        std::string word = argv[i];
        if (word.rfind("--", 0) != 0) {
            words_.push_back(word);
            continue;
        }
        std::string key = word.substr(2);
        bool found = false;
        for (const std::string& k : known) found = found || k == key;
        if (!found) usage("unknown option " + word);
        bool has_value = i + 1 < argc && std::strncmp(argv[i + 1], "--", 2) != 0;
        values_.emplace(key, has_value ? argv[++i] : "");
    }
}

std::string Options::text(const std::string& key, const std::string& otherwise) const {
    auto it = values_.find(key);
    return it == values_.end() ? otherwise : it->second;
}

uint64_t Options::number(const std::string& key, uint64_t otherwise) const {
    auto it = values_.find(key);
    if (it == values_.end()) return otherwise;
    char* end = nullptr;
    errno = 0;
    unsigned long long v = std::strtoull(it->second.c_str(), &end, 10);
    if (errno != 0 || end == it->second.c_str() || *end != 0) usage("--" + key + " wants a number");
    return v;
}

double Options::real(const std::string& key, double otherwise) const {
    auto it = values_.find(key);
    if (it == values_.end()) return otherwise;
    char* end = nullptr;
    double v = std::strtod(it->second.c_str(), &end);
    if (end == it->second.c_str() || *end != 0 || v < 0) usage("--" + key + " wants a number");
    return v;
}

std::vector<std::string> Options::all(const std::string& key) const {
    std::vector<std::string> out;
    auto range = values_.equal_range(key);
    for (auto it = range.first; it != range.second; ++it) out.push_back(it->second);
    return out;
}

uint32_t Histogram::bucket_of(uint64_t ns) {
    if (ns < (1u << kSubBits)) return static_cast<uint32_t>(ns);
    uint32_t top = 63u - static_cast<uint32_t>(std::countl_zero(ns));
    uint32_t shift = top - kSubBits;
    uint32_t inside = static_cast<uint32_t>((ns >> shift) - (1u << kSubBits));
    uint32_t bucket = ((shift + 1) << kSubBits) + inside;
    return bucket < kBuckets ? bucket : kBuckets - 1;
}

uint64_t Histogram::value_of(uint32_t bucket) {
    if (bucket < (1u << kSubBits)) return bucket;
    uint32_t shift = (bucket >> kSubBits) - 1;
    uint64_t low = ((1ull << kSubBits) + (bucket & ((1u << kSubBits) - 1))) << shift;
    return low + ((1ull << shift) >> 1);
}

double Histogram::quantile_us(double q) const {
    if (total_ == 0) return 0;
    uint64_t wanted = static_cast<uint64_t>(q * static_cast<double>(total_ - 1)) + 1;
    uint64_t seen = 0;
    for (uint32_t b = 0; b < kBuckets; ++b) {
        seen += count_[b];
        if (seen >= wanted) return static_cast<double>(value_of(b)) / 1000.0;
    }
    return 0;
}

double cpu_seconds_self() {
    rusage u;
    getrusage(RUSAGE_SELF, &u);
    return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

// Run time of every live thread, in nanoseconds, from the scheduler.
double cpu_seconds_of(int pid) {
    std::string dir = "/proc/" + std::to_string(pid) + "/task";
    DIR* d = opendir(dir.c_str());
    if (d == nullptr) return 0;
    double sum = 0;
    while (dirent* entry = readdir(d)) {
        if (entry->d_name[0] == '.') continue;
        std::string path = dir + "/" + entry->d_name + "/schedstat";
        FILE* f = std::fopen(path.c_str(), "r");
        if (f == nullptr) continue;
        unsigned long long run_ns = 0;
        if (std::fscanf(f, "%llu", &run_ns) == 1) sum += static_cast<double>(run_ns) / 1e9;
        std::fclose(f);
    }
    closedir(d);
    return sum;
}

CpuMeter::CpuMeter(const std::vector<std::string>& watch) {
    for (const std::string& w : watch) {
        size_t colon = w.rfind(':');
        if (colon == std::string::npos) usage("--watch wants NAME:PID");
        others_.push_back({w.substr(0, colon), std::atoi(w.c_str() + colon + 1)});
    }
}

void CpuMeter::start() {
    for (Process& p : others_) p.begin = cpu_seconds_of(p.pid);
    own_begin_ = cpu_seconds_self();
}

void CpuMeter::stop() {
    own_end_ = cpu_seconds_self();
    for (Process& p : others_) p.end = cpu_seconds_of(p.pid);
}

std::string CpuMeter::json(const std::string& own_name) const {
    char text[128];
    std::snprintf(text, sizeof text, "{\"%s\": %.6f", own_name.c_str(), own_end_ - own_begin_);
    std::string out = text;
    for (const Process& p : others_) {
        std::snprintf(text, sizeof text, ", \"%s\": %.6f", p.name.c_str(), p.end - p.begin);
        out += text;
    }
    return out + "}";
}

Address parse_address(const std::string& text) {
    Address a;
    if (text.rfind("unix:", 0) == 0) {
        auto* un = reinterpret_cast<sockaddr_un*>(&a.storage);
        un->sun_family = AF_UNIX;
        if (text.size() - 5 >= sizeof un->sun_path) usage("path too long: " + text);
        std::strcpy(un->sun_path, text.c_str() + 5);
        a.len = sizeof *un;
        a.is_unix = true;
        return a;
    }
    size_t colon = text.rfind(':');
    if (colon == std::string::npos) usage("an address is IP:PORT or unix:PATH, not " + text);
    auto* in = reinterpret_cast<sockaddr_in*>(&a.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(static_cast<uint16_t>(std::atoi(text.c_str() + colon + 1)));
    if (inet_pton(AF_INET, text.substr(0, colon).c_str(), &in->sin_addr) != 1) {
        usage("not an IPv4 address: " + text);
    }
    a.len = sizeof *in;
    return a;
}

Address with_port(const Address& base, unsigned offset) {
    Address a = base;
    if (a.is_unix) return a;
    auto* in = reinterpret_cast<sockaddr_in*>(&a.storage);
    in->sin_port = htons(static_cast<uint16_t>(ntohs(in->sin_port) + offset));
    return a;
}

Tuning tuning_of(const Options& o) {
    return {o.text("cc", ""), static_cast<unsigned>(o.number("busy-poll", 0))};
}

// Options that a stack does not know are its own affair: the transfer still works.
void tune(int fd, const Address& kind, const Tuning& t) {
    if (kind.is_unix) return;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!t.congestion.empty()) {
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, t.congestion.c_str(),
                   static_cast<socklen_t>(t.congestion.size()));
    }
    if (t.busy_poll_us != 0) {
        int us = static_cast<int>(t.busy_poll_us);
        setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof us);
    }
}

int open_listener(const Address& at, const Tuning& t, int backlog) {
    int fd = socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    int one = 1;
    if (at.is_unix) {
        unlink(reinterpret_cast<const sockaddr_un*>(&at.storage)->sun_path);
    } else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0) {
        fail("setsockopt SO_REUSEADDR");
    }
    tune(fd, at, t);
    if (bind(fd, at.raw(), at.len) != 0) fail("bind");
    if (listen(fd, backlog) != 0) fail("listen");
    return fd;
}

int open_connection(const Address& to, const Tuning& t) {
    int fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    tune(fd, to, t);
    if (connect(fd, to.raw(), to.len) != 0) fail("connect");
    return fd;
}

void set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) fail("fcntl O_NONBLOCK");
}

void announce_ready() {
    std::printf("ready %d\n", static_cast<int>(getpid()));
    std::fflush(stdout);
}

void send_all(int fd, const char* data, size_t len) {
    while (len != 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) fail("send");
        if (n < 0) {
            pollfd p = {fd, POLLOUT, 0};
            poll(&p, 1, 1000);
            continue;
        }
        data += n;
        len -= static_cast<size_t>(n);
    }
}

}  // namespace bench
