// SPDX-License-Identifier: MIT
// One stream for a fixed time: `server` and `client`, blocking calls, one thread each.
// --dir up: the client sends; --dir down: the server sends. The receiver does the counting.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "bench.h"

namespace {

using namespace bench;

constexpr uint32_t kUp = 1;
constexpr uint32_t kDown = 2;
constexpr size_t kChunkMax = 16u << 20;

struct Request {
    uint32_t direction;
    uint32_t duration_ms;
    uint64_t chunk_bytes;
};

struct Result {
    uint64_t bytes;
    uint64_t ns;
};

bool receive_exact(int fd, void* to, size_t len) {
    char* at = static_cast<char*>(to);
    while (len != 0) {
        ssize_t n = recv(fd, at, len, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail("recv");
        if (n == 0) return false;
        at += n;
        len -= static_cast<size_t>(n);
    }
    return true;
}

void send_for(int fd, const Request& r) {
    std::vector<char> chunk(r.chunk_bytes, 'e');
    uint64_t end = now_ns() + uint64_t{r.duration_ms} * 1000000u;
    while (now_ns() < end) send_all(fd, chunk.data(), chunk.size());
    if (shutdown(fd, SHUT_WR) != 0) fail("shutdown");
}

// From the first byte to the end of the stream.
Result count_until_end(int fd, uint64_t chunk_bytes) {
    std::vector<char> chunk(chunk_bytes);
    Result result = {0, 0};
    uint64_t begin = 0;
    for (;;) {
        ssize_t n = recv(fd, chunk.data(), chunk.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail("recv");
        if (n == 0) break;
        if (begin == 0) begin = now_ns();
        result.bytes += static_cast<uint64_t>(n);
    }
    result.ns = now_ns() - begin;
    return result;
}

int run_server(const Options& o, const Address& at) {
    Tuning tuning = tuning_of(o);
    int listener = open_listener(at, tuning, 16);
    announce_ready();
    int fd = accept(listener, nullptr, nullptr);
    if (fd < 0) fail("accept");
    tune(fd, at, tuning);
    Request r;
    if (!receive_exact(fd, &r, sizeof r)) usage("client closed the connection early");
    if (r.chunk_bytes == 0 || r.chunk_bytes > kChunkMax || r.duration_ms > 600000) {
        usage("bad request");
    }
    if (r.direction == kDown) {
        send_for(fd, r);
        char end;
        if (receive_exact(fd, &end, 1)) usage("unexpected byte from the client");
    } else {
        Result result = count_until_end(fd, r.chunk_bytes);
        send_all(fd, reinterpret_cast<const char*>(&result), sizeof result);
    }
    close(fd);
    std::printf("{\"cpu_total_s\": %.6f}\n", cpu_seconds_self());
    return 0;
}

int run_client(const Options& o, const Address& to) {
    std::string dir = o.text("dir", "up");
    if (dir != "up" && dir != "down") usage("--dir is up or down");
    Request r = {dir == "up" ? kUp : kDown, static_cast<uint32_t>(o.real("seconds", 2) * 1000),
                 o.number("chunk", 65536)};
    if (r.chunk_bytes == 0 || r.chunk_bytes > kChunkMax) usage("--chunk is 1..16777216");
    CpuMeter meter(o.all("watch"));
    int fd = open_connection(to, tuning_of(o));
    meter.start();
    send_all(fd, reinterpret_cast<const char*>(&r), sizeof r);
    Result result;
    if (r.direction == kUp) {
        send_for(fd, r);
        if (!receive_exact(fd, &result, sizeof result)) usage("server closed the connection early");
    } else {
        result = count_until_end(fd, r.chunk_bytes);
    }
    meter.stop();
    close(fd);
    double seconds = static_cast<double>(result.ns) / 1e9;
    std::printf("{\"bytes\": %llu, \"seconds\": %.6f, \"gbit_s\": %.4f, \"cpu\": %s}\n",
                static_cast<unsigned long long>(result.bytes), seconds,
                static_cast<double>(result.bytes) * 8 / 1e9 / seconds,
                meter.json("client").c_str());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options o(argc, argv, {"addr", "dir", "seconds", "chunk", "cpu", "cc", "busy-poll", "watch",
                           "limit"});
    if (o.words().size() != 1) usage("bench_bulk server|client --addr IP:PORT|unix:PATH ...");
    limit_seconds(static_cast<unsigned>(o.number("limit", 60)));
    pin_to_cpu(static_cast<int>(o.number("cpu", static_cast<uint64_t>(-1))));
    Address a = parse_address(o.text("addr", "127.0.0.1:7000"));
    if (o.words()[0] == "server") return run_server(o, a);
    if (o.words()[0] == "client") return run_client(o, a);
    usage("bench_bulk server|client");
}
