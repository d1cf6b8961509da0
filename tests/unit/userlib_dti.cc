// SPDX-License-Identifier: MIT
// The application side of a region (userlib/dti.*) against an accelerator played by the test.
#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

#include "dti.h"
#include "unit/userlib_fake.h"

using eta::al::AppRegion;
using eta::al::kNoDti;
using eta::test::FakeAccel;

namespace {

struct Bench {
    explicit Bench(uint64_t tx_pool = 4u << 20)
        : accel(tx_pool), state(AppRegion::state_bytes(accel.ro->map))
    {
        REQUIRE(region.init(accel.ro, accel.rw, state.data()) == 0);
        accel.ro->n_dti = 64;
        region.add_dtis(0, 64);
    }

    uint32_t connected()
    {
        const uint32_t d = region.dti_alloc();
        eta_connect args = {};
        REQUIRE(region.connect(d, args) == 0);
        accel.doorbells();
        accel.begin(d, ETA_DTI_CONNECTING);
        accel.establish(d);
        events();
        return d;
    }

    std::vector<uint32_t> events()
    {
        std::vector<uint32_t> out;
        region.poll_events([&](uint32_t d) { out.push_back(d); });
        return out;
    }

    std::string read_all(uint32_t d)
    {
        std::string out;
        char buf[5000];
        for (int64_t n; (n = region.recv(d, buf, sizeof buf)) > 0;) {
            out.append(buf, static_cast<size_t>(n));
        }
        return out;
    }

    FakeAccel accel;
    std::vector<uint8_t> state;
    AppRegion region;
};

std::string pattern(size_t n, uint32_t seed)
{
    std::mt19937 rng(seed);
    std::string s(n, '\0');
    for (char& c : s) {
        c = static_cast<char>(rng());
    }
    return s;
}

}  // namespace

TEST_CASE("userlib dti: a map of another version is refused")
{
    FakeAccel accel;
    AppRegion r;
    accel.ro->map.version++;
    CHECK(r.init(accel.ro, accel.rw) == -EPROTO);
    accel.ro->map.version--;
    accel.ro->map.max_dti = 100;
    CHECK(r.init(accel.ro, accel.rw) == -EPROTO);
}

TEST_CASE("userlib dti: connect posts its argument and names a new incarnation")
{
    Bench b;
    const uint32_t d = b.region.dti_alloc();
    eta_connect args = {};
    args.dport = 0x5000;
    args.daddr[15] = 9;
    REQUIRE(b.region.connect(d, args) == 0);
    CHECK(b.accel.app[d].gen == b.accel.fw[d].gen + 1);
    CHECK(b.region.state(d) == ETA_DTI_CONNECTING);
    CHECK(b.accel.doorbells() == std::vector<uint32_t>{d});
    const eta_sqe& q = b.accel.entry(d, 0);
    CHECK(q.op == ETA_OP_CONNECT);
    CHECK(q.len == sizeof args);
    const uint8_t* pool = reinterpret_cast<uint8_t*>(b.accel.rw) + b.accel.ro->map.rw_pool_off;
    CHECK(std::memcmp(pool + q.off, &args, sizeof args) == 0);
    CHECK(b.region.held_small() == 1);
    b.accel.begin(d, ETA_DTI_CONNECTING);
    CHECK(b.region.send(d, "x", 1) == -EAGAIN);
    b.accel.establish(d);
    CHECK(b.events() == std::vector<uint32_t>{d});
    CHECK(b.region.writable(d));
    b.region.reap(8);
    CHECK(b.region.held_small() == 0);
}

TEST_CASE("userlib dti: refused connections report their errno once")
{
    Bench b;
    const uint32_t d = b.region.dti_alloc();
    REQUIRE(b.region.connect(d, eta_connect{}) == 0);
    b.accel.doorbells();
    b.accel.begin(d, ETA_DTI_CONNECTING);
    b.accel.close(d, ECONNREFUSED);
    CHECK((b.region.poll_mask(d) & (eta::al::kReadErr | eta::al::kReadHup)) != 0);
    CHECK(b.region.peek_error(d) == ECONNREFUSED);
    CHECK(b.region.take_error(d) == ECONNREFUSED);
    CHECK(b.region.take_error(d) == 0);
    CHECK(b.region.send(d, "x", 1) == -EPIPE);
    char c;
    CHECK(b.region.recv(d, &c, 1) == 0);
    b.region.close(d);
    CHECK(b.region.dti_alloc() == d);  // free at once
}

TEST_CASE("userlib dti: streams of random writes arrive byte for byte, whatever is acknowledged")
{
    const uint32_t seed = GENERATE(range(1u, 20u));
    Bench b;
    const uint32_t d = b.connected();
    std::mt19937 rng(seed);
    const std::string data = pattern(3000000, seed);
    std::string seen;
    size_t sent = 0;
    while (seen.size() < data.size()) {
        const uint64_t kind = rng() % 4;
        const size_t most = kind == 0 ? 64 : kind == 1 ? 2048 : kind == 2 ? 20000 : 300000;
        const size_t n = std::min<size_t>(data.size() - sent, rng() % most + 1);
        if (n != 0) {
            const size_t cut = rng() % n;
            const iovec v[2] = {{const_cast<char*>(data.data()) + sent, cut},
                                {const_cast<char*>(data.data()) + sent + cut, n - cut}};
            const int64_t r = b.region.send(d, v, 2);
            REQUIRE((r > 0 || r == -EAGAIN));
            sent += r > 0 ? static_cast<size_t>(r) : 0;
        }
        if (rng() % 3 == 0 || n == 0 || b.region.send_pending(d) > 400000) {
            b.accel.doorbells();
            const std::string out = b.accel.unacked(d);
            const size_t part = rng() % 3 == 0 ? out.size() : rng() % (out.size() + 1);
            seen.append(out, 0, part);
            b.accel.ack(d, part);
        }
        if (rng() % 50 == 0) {
            b.region.reap(4);
        }
    }
    CHECK(seen == data);
    b.region.reap(4);
    CHECK(b.region.held_small() == 0);
    CHECK(b.region.held_large() == 0);
}

TEST_CASE("userlib dti: a short write on an idle connection takes a small buffer, others a large")
{
    Bench b;
    const uint32_t d = b.connected();
    b.region.reap(8);
    REQUIRE(b.region.send(d, "hello", 5) == 5);
    CHECK(b.region.held_small() == 1);
    CHECK(b.region.held_large() == 0);
    const std::string more(2048, 'x');
    REQUIRE(b.region.send(d, more.data(), more.size()) == 2048);
    CHECK(b.region.held_large() == 1);
    CHECK(b.accel.entry(d, 1).len == 2048);  // final length of the small one
    CHECK(b.accel.unacked(d) == "hello" + more);
    b.accel.ack(d, 5 + 2048);
    b.region.reap(8);
    CHECK(b.region.held_small() + b.region.held_large() == 0);
}

TEST_CASE("userlib dti: the buffer of an open entry is used again only for what follows it")
{
    Bench b;
    const uint32_t d = b.connected();
    REQUIRE(b.region.send(d, "one", 3) == 3);
    b.accel.ack(d, 3);
    b.region.reap(8);  // the entry stays open, its buffer is free
    CHECK(b.accel.app[d].sq_tail == 2);
    REQUIRE(b.region.send(d, "two", 3) == 3);
    CHECK(b.accel.app[d].sq_tail == 3);
    CHECK(b.accel.entry(d, 1).len == 3);
    CHECK(b.accel.unacked(d) == "two");
    b.accel.ack(d, 3);
    CHECK(b.accel.fw[d].sq_head == 2);
}

TEST_CASE("userlib dti: a full send queue says EAGAIN, asks for an event and goes on after it")
{
    Bench b;
    const uint32_t d = b.connected();
    const std::string chunk = pattern(100000, 3);
    std::string all;
    int64_t r;
    while ((r = b.region.send(d, chunk.data(), chunk.size())) > 0) {
        all.append(chunk, 0, static_cast<size_t>(r));
    }
    CHECK(r == -EAGAIN);
    CHECK(all.size() == AppRegion::kSndLimit);
    CHECK((b.accel.app[d].ctl & ETA_CTL_WANT_TX) != 0);
    CHECK_FALSE(b.region.writable(d));
    CHECK_FALSE(b.region.want_tx(d));
    CHECK(b.accel.unacked(d) == all);
    b.accel.ack(d, 1000);
    CHECK(b.events() == std::vector<uint32_t>{d});
    CHECK_FALSE(b.region.writable(d));  // two thirds
    b.accel.ack(d, 300000);
    CHECK(b.region.writable(d));
    CHECK(b.region.send(d, chunk.data(), chunk.size()) == 100000);
    CHECK((b.accel.app[d].ctl & ETA_CTL_WANT_TX) == 0);
}

TEST_CASE("userlib dti: shutdown and close find room in a full queue")
{
    Bench b;
    const uint32_t d = b.connected();
    b.region.set_snd_limit(d, 1u << 30);
    const std::string big(70000, 'b');
    while (b.region.send(d, big.data(), big.size()) > 0) {
    }
    CHECK(b.accel.app[d].sq_tail - b.accel.fw[d].sq_head == ETA_SQ_DEPTH - AppRegion::kSqReserve);
    CHECK(b.region.shutdown_wr(d) == 0);
    CHECK(b.accel.request(d) == ETA_OP_SHUTDOWN_WR);
    CHECK(b.region.send(d, "x", 1) == -EPIPE);
    b.region.close(d);
    CHECK(b.accel.request(d) == ETA_OP_CLOSE);
    CHECK(b.accel.app[d].sq_tail - b.accel.fw[d].sq_head <= ETA_SQ_DEPTH);
}

TEST_CASE("userlib dti: an empty send pool starves a sender until somebody's buffers come back")
{
    Bench b(512 * 1024);  // 128 KiB in small buffers, 384 KiB in large ones
    const uint32_t d1 = b.connected();
    const uint32_t d2 = b.connected();
    b.region.set_snd_limit(d1, 1u << 30);
    const std::string big(600000, 'x');
    std::string sent;
    for (int64_t r; (r = b.region.send(d1, big.data(), big.size())) > 0;) {
        sent.append(big, 0, static_cast<size_t>(r));
    }
    while (b.region.held_small() < 64) {
        const uint32_t d = b.connected();
        b.region.set_snd_limit(d, 1u << 30);
        while (b.region.send(d, big.data(), big.size()) > 0) {
        }
    }
    CHECK(b.region.send(d2, "y", 1) == -EAGAIN);
    CHECK(b.region.stats().starved != 0);
    b.events();
    b.accel.doorbells();
    b.accel.ack(d1, b.accel.unacked(d1).size());
    b.region.reap(64);
    const std::vector<uint32_t> ev = b.events();
    CHECK(std::find(ev.begin(), ev.end(), d2) != ev.end());
    CHECK(b.region.writable(d2));
    CHECK(b.region.send(d2, "y", 1) == 1);
}

TEST_CASE("userlib dti: received bytes are read across buffers, in any pieces")
{
    Bench b;
    const uint32_t d = b.connected();
    std::mt19937 rng(5);
    const std::string data = pattern(400000, 6);
    std::string got;
    size_t put = 0;
    char buf[70000];
    while (got.size() < data.size()) {
        const size_t n = std::min<size_t>(data.size() - put, rng() % 9000);
        if (n != 0 && b.accel.deliver(d, data.substr(put, n))) {
            put += n;
        }
        const size_t ask = rng() % 3 == 0 ? sizeof buf : rng() % 3000 + 1;
        const int64_t r = b.region.recv(d, buf, ask);
        if (r > 0) {
            got.append(buf, static_cast<size_t>(r));
        }
        if (rng() % 2 == 0) {
            b.region.flush();
        }
        for (uint32_t rung : b.accel.doorbells()) {
            b.accel.release_read(rung);
        }
    }
    CHECK(got == data);
    b.region.flush();
    b.accel.doorbells();
    b.accel.release_read(d);
    CHECK(b.accel.rx_held() == 0);
    CHECK(b.region.recv(d, buf, 1) == -EAGAIN);
}

TEST_CASE("userlib dti: peeking leaves bytes and cursor, discarding takes them")
{
    Bench b;
    const uint32_t d = b.connected();
    const std::string data = pattern(5000, 7);
    b.accel.deliver(d, data);
    std::string buf(5000, '\0');
    CHECK(b.region.recv(d, buf.data(), 5000, true) == 5000);
    CHECK(buf == data);
    CHECK(b.region.recv_ready(d) == 5000);
    CHECK(b.region.recv(d, static_cast<void*>(nullptr), 1000) == 1000);
    CHECK(b.region.recv(d, buf.data(), 5000) == 4000);
    CHECK(buf.substr(0, 4000) == data.substr(1000));
}

TEST_CASE("userlib dti: a drained stream is announced by the next send or at the next wait")
{
    Bench b;
    const uint32_t d = b.connected();
    b.accel.doorbells();
    b.accel.deliver(d, "abc");
    CHECK(b.read_all(d) == "abc");
    CHECK(b.accel.doorbells().empty());
    REQUIRE(b.region.send(d, "r", 1) == 1);
    CHECK(b.accel.doorbells().size() == 1);
    b.region.flush();
    CHECK(b.accel.doorbells().empty());  // the send covered it
    b.accel.deliver(d, "def");
    CHECK(b.read_all(d) == "def");
    b.region.flush();
    CHECK(b.accel.doorbells() == std::vector<uint32_t>{d});
    b.region.flush();
    CHECK(b.accel.doorbells().empty());
}

TEST_CASE("userlib dti: end of stream comes after the last byte")
{
    Bench b;
    const uint32_t d = b.connected();
    b.accel.deliver(d, "last");
    b.accel.fin(d);
    CHECK((b.region.poll_mask(d) & (eta::al::kReadIn | eta::al::kReadRdHup)) != 0);
    CHECK((b.region.poll_mask(d) & eta::al::kReadHup) == 0);
    char buf[10];
    CHECK(b.region.recv(d, buf, 10) == 4);
    CHECK(b.region.recv(d, buf, 10) == 0);
    CHECK(b.region.send(d, "x", 1) == 1);  // half open
    CHECK(b.region.shutdown_wr(d) == 0);
    CHECK((b.region.poll_mask(d) & eta::al::kReadHup) != 0);
}

TEST_CASE("userlib dti: bytes that came before a reset can be read, then the error, then the end")
{
    Bench b;
    const uint32_t d = b.connected();
    b.accel.deliver(d, "before");
    b.accel.close(d, ECONNRESET);
    char buf[10];
    CHECK(b.region.recv(d, buf, 10) == 6);
    CHECK(b.region.recv(d, buf, 10) == -ECONNRESET);
    CHECK(b.region.recv(d, buf, 10) == 0);
    CHECK(b.region.send(d, "x", 1) == -EPIPE);
}

TEST_CASE("userlib dti: close sends FIN, or RST when bytes were left unread")
{
    Bench b;
    const uint32_t d1 = b.connected();
    b.region.close(d1);
    CHECK(b.accel.request(d1) == ETA_OP_CLOSE);
    const uint32_t d2 = b.connected();
    b.accel.deliver(d2, "unread");
    b.region.close(d2);
    CHECK(b.accel.request(d2) == ETA_OP_ABORT);
}

TEST_CASE("userlib dti: a closed DTI is used again only after the accelerator let go")
{
    Bench b;
    std::vector<uint32_t> all;
    for (uint32_t d; (d = b.region.dti_alloc()) != kNoDti;) {
        all.push_back(d);
    }
    CHECK(all.size() == 64);
    const uint32_t d = all[7];
    REQUIRE(b.region.connect(d, eta_connect{}) == 0);
    b.accel.doorbells();
    b.accel.begin(d, ETA_DTI_CONNECTING);
    b.accel.establish(d);
    REQUIRE(b.region.send(d, "bye", 3) == 3);
    b.region.close(d);
    CHECK(b.region.dti_alloc() == kNoDti);
    CHECK(b.accel.unacked(d) == "bye");
    const uint32_t gen = b.accel.fw[d].gen;
    b.accel.ack(d, 3);
    b.accel.close(d, 0);
    CHECK(b.events().empty());  // nobody is interested any more
    CHECK(b.region.dti_alloc() == d);
    CHECK(b.region.held_small() == 0);
    REQUIRE(b.region.connect(d, eta_connect{}) == 0);
    CHECK(b.accel.app[d].gen == gen + 1);
    CHECK(b.accel.app[d].tx_tail == 0);
    CHECK(b.accel.app[d].sq_tail == 1);
}

TEST_CASE("userlib dti: children are posted, accepted in order, and come back when the master goes")
{
    Bench b;
    const uint32_t m = b.region.dti_alloc();
    b.region.listen(m);
    b.accel.fw[m].state = ETA_DTI_LISTENING;
    for (int i = 0; i < 8; i++) {
        b.region.post_child(m, b.region.dti_alloc());
    }
    b.region.ring(m);
    CHECK(b.region.posted(m) == 8);
    const std::vector<eta_child> posted = b.accel.children();
    REQUIRE(posted.size() == 8);
    CHECK(b.region.accept(m) == kNoDti);
    CHECK_FALSE(b.region.readable(m));
    b.accel.offer(posted[0]);
    b.accel.offer(posted[1]);
    b.accel.offer(posted[2]);
    CHECK(b.events() == std::vector<uint32_t>{m});
    CHECK(b.region.readable(m));
    CHECK(b.region.accept(m) == posted[0].child);
    CHECK(b.region.accept(m) == posted[1].child);
    CHECK(b.accel.app[m].accepted == 2);
    CHECK(b.region.posted(m) == 5);
    CHECK(b.region.send(posted[0].child, "hi", 2) == 2);
    b.region.unlisten(m);  // one was never accepted
    CHECK(b.accel.request(posted[2].child) == ETA_OP_ABORT);
    b.accel.fw[m].state = ETA_DTI_FREE;
    uint32_t free = 0;
    while (b.region.dti_alloc() != kNoDti) {
        free++;
    }
    CHECK(free == 64 - 3);  // two connections and the one being reset
}

TEST_CASE("userlib dti: a child that was bound twice is known by its newest incarnation")
{
    Bench b;
    const uint32_t m = b.region.dti_alloc();
    b.region.listen(m);
    b.accel.fw[m].state = ETA_DTI_LISTENING;
    const uint32_t c = b.region.dti_alloc();
    b.region.post_child(m, c);
    b.accel.children();
    b.accel.begin(c, ETA_DTI_FREE);  // a handshake that failed
    b.accel.offer({m, c});
    REQUIRE(b.region.accept(m) == c);
    CHECK(b.accel.app[c].gen == b.accel.fw[c].gen);
    CHECK(b.region.state(c) == ETA_DTI_ESTABLISHED);
}

TEST_CASE("userlib dti: doorbells and events are queued once while pending")
{
    Bench b;
    const uint32_t d = b.connected();
    b.accel.doorbells();
    for (int i = 0; i < 10; i++) {
        REQUIRE(b.region.send(d, "x", 1) == 1);
        b.accel.deliver(d, "y");
    }
    CHECK(b.accel.doorbells().size() == 1);
    CHECK(b.events().size() == 1);
    CHECK(b.events().empty());
}

TEST_CASE("userlib dti: arming fails while an event is pending and brings one interrupt")
{
    Bench b;
    const uint32_t d = b.connected();
    b.accel.interrupts = 0;
    b.accel.deliver(d, "x");
    CHECK(b.accel.interrupts == 0);
    CHECK_FALSE(b.region.arm());
    b.events();
    CHECK(b.region.arm());
    const int before = b.accel.interrupts;
    b.accel.deliver(d, "x");
    CHECK(b.accel.interrupts == before + 1);
    b.events();
    b.accel.deliver(d, "x");
    CHECK(b.accel.interrupts == before + 1);  // not armed any more
}

TEST_CASE("userlib dti: a sleeping accelerator is kicked once for a doorbell")
{
    Bench b;
    int kicks = 0;
    b.region.set_kick([](void* n) { ++*static_cast<int*>(n); }, &kicks);
    const uint32_t d = b.connected();
    b.accel.ro->fw_asleep = 1;
    REQUIRE(b.region.send(d, "x", 1) == 1);
    REQUIRE(b.region.send(d, "x", 1) == 1);
    CHECK(kicks == 1);
    b.accel.ro->fw_asleep = 0;
    b.accel.doorbells();
    REQUIRE(b.region.send(d, "x", 1) == 1);
    CHECK(kicks == 1);
}

TEST_CASE("userlib dti: sendfile's pieces go straight into the send buffer")
{
    Bench b;
    const uint32_t d = b.connected();
    const std::string data = pattern(150000, 9);
    size_t done = 0;
    while (done < data.size()) {
        uint8_t* to = nullptr;
        const uint64_t n = b.region.send_reserve(d, data.size() - done, &to);
        REQUIRE(n != 0);
        std::memcpy(to, data.data() + done, n);
        b.region.send_commit(d, n);
        done += n;
    }
    CHECK(b.accel.unacked(d) == data);
}
