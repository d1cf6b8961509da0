// SPDX-License-Identifier: MIT
// The shared-memory wire: both ends in this process.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "port/open.h"
#include "util/rng.h"

using namespace eta::fw;

namespace {

struct Wire {
    explicit Wire(const char* name)
        : path("/tmp/eta-test-link-" + std::to_string(getpid()) + "-" + name)
    {
        a = link_open(path, &err);
        b = link_open(path, &err);
        REQUIRE(a);
        REQUIRE(b);
        a->tick();  // notices the other end
    }

    std::string path;
    std::string err;
    std::unique_ptr<Port> a;
    std::unique_ptr<Port> b;
};

bool send(Port& p, const std::vector<uint8_t>& bytes, uint32_t head)
{
    TxFrame f;
    f.head = p.tx_reserve(head);
    if (!f.head) return false;
    f.head_len = head;
    std::memcpy(f.head, bytes.data(), head);
    f.payload.len = static_cast<uint32_t>(bytes.size()) - head;
    uint32_t half = f.payload.len / 2;
    f.payload.count = 2;
    f.payload.piece[0] = {bytes.data() + head, half};
    f.payload.piece[1] = {bytes.data() + head + half, f.payload.len - half};
    p.tx_commit(f);
    return true;
}

std::vector<uint8_t> random_frame(Rng& rng, uint32_t max)
{
    std::vector<uint8_t> v(60 + rng.below(max - 60));
    for (uint8_t& byte : v) byte = static_cast<uint8_t>(rng.next());
    return v;
}

bool readable(int fd)
{
    pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, 0) == 1;
}

}  // namespace

TEST_CASE("frames cross the link in order and unharmed, both ways, many times round the ring")
{
    Wire w("order");
    Rng rng(1);
    Port* from[2] = {w.a.get(), w.b.get()};
    Port* to[2] = {w.b.get(), w.a.get()};
    for (int round = 0; round < 400; round++) {
        int way = round & 1;
        std::vector<std::vector<uint8_t>> sent;
        for (int i = 0; i < 20; i++) {
            sent.push_back(random_frame(rng, i % 4 == 0 ? 61000 : 1514));
            REQUIRE(send(*from[way], sent.back(), 54));
        }
        from[way]->flush();
        RxFrame got[32];
        REQUIRE(to[way]->rx_burst(got, 32) == sent.size());
        for (size_t i = 0; i < sent.size(); i++) {
            REQUIRE(got[i].csum_valid);
            REQUIRE(std::vector<uint8_t>(got[i].data, got[i].data + got[i].len) == sent[i]);
        }
        to[way]->rx_release();
        REQUIRE(to[way]->rx_burst(got, 32) == 0);
    }
    CHECK(w.a->dropped() + w.b->dropped() == 0);
}

TEST_CASE("the ends of a link have different MACs and the same capabilities")
{
    Wire w("caps");
    CHECK(std::memcmp(w.a->caps().mac, w.b->caps().mac, 6) != 0);
    CHECK((w.a->caps().mac[0] & 3) == 2);
    CHECK(w.a->caps().csum_offload);
    CHECK(w.a->caps().tso_max >= 60000);
}

TEST_CASE("a full link says so, and takes frames again when the other end has read")
{
    Wire w("full");
    Rng rng(2);
    std::vector<uint8_t> frame = random_frame(rng, 61000);
    int n = 0;
    while (send(*w.a, frame, 54)) n++;
    CHECK(n > 30);
    w.a->flush();
    RxFrame got[64];
    REQUIRE(w.b->rx_burst(got, 64) > 0);
    CHECK(w.a->tx_reserve(54) == nullptr);  // not released yet
    w.b->rx_release();
    CHECK(send(*w.a, frame, 54));
    CHECK(w.a->dropped() == 0);
}

TEST_CASE("a link whose other end is gone drops instead of standing still")
{
    Wire w("gone");
    Rng rng(3);
    w.b.reset();
    std::vector<uint8_t> frame = random_frame(rng, 61000);
    while (send(*w.a, frame, 54) && w.a->dropped() == 0) w.a->tick();
    CHECK(w.a->dropped() == 1);
}

TEST_CASE("a third end is refused, and a freed end can be taken again with its frames in flight")
{
    Wire w("third");
    std::string err;
    CHECK(link_open(w.path, &err) == nullptr);
    CHECK(err.find("both ends") != std::string::npos);
    Rng rng(4);
    std::vector<uint8_t> frame = random_frame(rng, 1500);
    REQUIRE(send(*w.a, frame, 54));
    w.a->flush();
    w.b.reset();
    w.b = link_open(w.path, &err);
    REQUIRE(w.b);
    RxFrame got[4];
    REQUIRE(w.b->rx_burst(got, 4) == 1);
    CHECK(got[0].len == frame.size());
    w.b->rx_release();
}

TEST_CASE("the last end removes the files")
{
    Wire w("files");
    w.a.reset();
    CHECK(access(w.path.c_str(), F_OK) == 0);
    w.b.reset();
    CHECK(access(w.path.c_str(), F_OK) != 0);
    CHECK(access((w.path + ".wake-a").c_str(), F_OK) != 0);
    CHECK(access((w.path + ".wake-b").c_str(), F_OK) != 0);
}

TEST_CASE("a sleeping end is woken by a frame, one that is awake is not")
{
    Wire w("sleep");
    Rng rng(5);
    std::vector<uint8_t> frame = random_frame(rng, 1500);
    REQUIRE(send(*w.a, frame, 54));
    w.a->flush();
    CHECK_FALSE(readable(w.b->wait_fd()));
    w.b->arm();
    REQUIRE(send(*w.a, frame, 54));
    w.a->flush();
    CHECK(readable(w.b->wait_fd()));
    w.b->disarm();
    CHECK_FALSE(readable(w.b->wait_fd()));
}

TEST_CASE("two threads exchange frames over the link")
{
    Wire w("threads");
    constexpr uint32_t kFrames = 20000;
    std::thread sender([&] {
        std::vector<uint8_t> frame(100);
        for (uint32_t i = 0; i < kFrames;) {
            std::memcpy(frame.data(), &i, sizeof i);
            if (send(*w.a, frame, 54)) i++;
            if (i % 32 == 0) w.a->flush();
        }
        w.a->flush();
    });
    uint32_t next = 0;
    bool in_order = true;
    while (next < kFrames) {
        RxFrame got[32];
        uint32_t n = w.b->rx_burst(got, 32);
        for (uint32_t i = 0; i < n; i++, next++) {
            uint32_t number;
            std::memcpy(&number, got[i].data, sizeof number);
            in_order &= number == next && got[i].len == 100;
        }
        w.b->rx_release();
    }
    sender.join();
    CHECK(in_order);
}

TEST_CASE("lengths and indices of a lying end are counted, never followed")
{
    Wire w("liar");
    int fd = open(w.path.c_str(), O_RDWR);
    struct stat st;
    REQUIRE(fstat(fd, &st) == 0);
    auto* mem = static_cast<uint8_t*>(
        mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    REQUIRE(mem != MAP_FAILED);
    auto* prod_a = reinterpret_cast<uint32_t*>(mem + 64);  // first word of the first end
    auto* ring_a = reinterpret_cast<uint32_t*>(mem + 4096);
    RxFrame got[8];
    uint64_t dropped = 0;
    uint32_t at = 0;
    for (uint32_t len : {0u, 5u, 13u, 65535u, 0x7fffffffu, 0xffffffffu, 200u}) {
        ring_a[at / 4] = len;
        at += 64;
        __atomic_store_n(prod_a, at, __ATOMIC_RELEASE);
        INFO(len);
        CHECK(w.b->rx_burst(got, 8) == 0);
        w.b->rx_release();
        CHECK(w.b->dropped() == ++dropped);
    }
    __atomic_store_n(prod_a, at + 0x40000000u, __ATOMIC_RELEASE);
    CHECK(w.b->rx_burst(got, 8) == 0);
    CHECK(w.b->dropped() == ++dropped);
    munmap(mem, static_cast<size_t>(st.st_size));
    close(fd);
}

TEST_CASE("a file that is no link is refused and left alone")
{
    std::string path = "/tmp/eta-test-link-" + std::to_string(getpid()) + "-other";
    int fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
    REQUIRE(write(fd, "hello", 5) == 5);
    close(fd);
    std::string err;
    CHECK(link_open(path, &err) == nullptr);
    CHECK(err.find("not a link file") != std::string::npos);
    CHECK(access(path.c_str(), F_OK) == 0);
    unlink(path.c_str());
    CHECK(link_open("/no/such/folder/link", &err) == nullptr);
    CHECK_FALSE(err.empty());
}
