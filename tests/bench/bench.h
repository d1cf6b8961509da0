// SPDX-License-Identifier: MIT
// What the benchmark programs share: options, clock, histogram, CPU accounting, sockets.
// These are ordinary sockets programs: nothing here may know whether ETA is underneath.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bench {

[[noreturn]] void fail(const std::string& what);        // exit 1, errno text added
[[noreturn]] void usage(const std::string& what);       // exit 2

uint64_t now_ns();
void pin_to_cpu(int cpu);                               // negative: leave it alone
void limit_seconds(unsigned seconds);                   // SIGALRM kills a program that hangs
void raise_fd_limit(uint64_t wanted);

// `--key value` and `--flag` after the positional words. Keys not in the list are refused.
class Options {
public:
    Options(int argc, char** argv, const std::vector<std::string>& known);

    const std::vector<std::string>& words() const { return words_; }
    std::string text(const std::string& key, const std::string& otherwise) const;
    uint64_t number(const std::string& key, uint64_t otherwise) const;
    double real(const std::string& key, double otherwise) const;
    bool flag(const std::string& key) const { return values_.count(key) != 0; }
    std::vector<std::string> all(const std::string& key) const;

private:
    std::vector<std::string> words_;
    std::multimap<std::string, std::string> values_;
};

// Latencies in nanoseconds, 64 buckets per power of two: at most 1.6 % wrong.
class Histogram {
public:
    void add(uint64_t ns) { ++count_[bucket_of(ns)]; ++total_; }
    double quantile_us(double q) const;
    uint64_t total() const { return total_; }

private:
    static constexpr uint32_t kSubBits = 6;
    static constexpr uint32_t kBuckets = 64u << kSubBits;
    static uint32_t bucket_of(uint64_t ns);
    static uint64_t value_of(uint32_t bucket);
    uint64_t total_ = 0;
    uint64_t count_[kBuckets] = {};
};

// CPU seconds of this process and of others, between mark() and report().
class CpuMeter {
public:
    // Each entry is NAME:PID, as given by --watch.
    explicit CpuMeter(const std::vector<std::string>& watch);
    void start();
    void stop();
    std::string json(const std::string& own_name) const;

private:
    struct Process {
        std::string name;
        int pid;
        double begin = 0;
        double end = 0;
    };
    std::vector<Process> others_;
    double own_begin_ = 0;
    double own_end_ = 0;
};

double cpu_seconds_self();
double cpu_seconds_of(int pid);

// "10.0.0.1:7000" or "unix:/path".
struct Address {
    sockaddr_storage storage = {};
    socklen_t len = 0;
    bool is_unix = false;
    sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
    const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
Address parse_address(const std::string& text);
Address with_port(const Address& base, unsigned offset);  // port + offset

struct Tuning {
    std::string congestion;    // empty: leave it
    unsigned busy_poll_us = 0;
};
Tuning tuning_of(const Options& o);

int open_listener(const Address& at, const Tuning& t, int backlog);
int open_connection(const Address& to, const Tuning& t);  // blocking connect
void tune(int fd, const Address& kind, const Tuning& t);
void set_nonblocking(int fd);
void announce_ready();                                    // "ready PID" on standard output
void send_all(int fd, const char* data, size_t len);      // waits when the socket is full

}  // namespace bench
