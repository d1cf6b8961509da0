// SPDX-License-Identifier: MIT
// Scenarios: the accelerator runs in a process of its own, beside programs that work at the same
// time, and is killed at any instruction, again and again (law 2). Real time, two processors.
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

namespace {

constexpr uint32_t kAddr = 0x7f000001;

uint64_t clock_us() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1'000'000 + static_cast<uint64_t>(t.tv_nsec) / 1000;
}

// A machine whose accelerator is a child process.
class Machine {
public:
    Machine() : host(world, options()), server(host.start()), client(host.start()) {
        listener = &server.listen(7000, 64, 8);
        host.settle();
        host.release_fw();
    }
    ~Machine() { stop(); }

    void start() {
        pid_ = fork();
        REQUIRE(pid_ >= 0);
        if (pid_ != 0)
            return;
        auto fw = host.make_fw(++lives_);
        for (;;)
            fw->loop().turn(clock_us());
    }
    // kill -9, wherever it is.
    void stop() {
        if (pid_ <= 0)
            return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = 0;
        lives_++;
    }

    World world;
    SimHost host;
    Program& server;
    Program& client;
    Sock* listener = nullptr;

private:
    static HostOptions options() {
        HostOptions o;
        o.addr = kHostAddr;
        o.port.mac = kHostMac;
        o.shared = true;
        return o;
    }

    pid_t pid_ = 0;
    uint64_t lives_ = 1;
};

// A stream each way on one connection, and short connections beside it.
class Work {
public:
    explicit Work(Machine& m) : m_(m), long_(&m.client.connect(kAddr, 7000)) {}

    bool done() const { return got_ == kTotal && back_ == kTotal && short_done_ >= kShort; }
    std::string state() const {
        return "long " + std::to_string(got_) + " back " + std::to_string(back_) + " short " +
               std::to_string(short_done_);
    }

    void step() {
        m_.server.poll();
        m_.client.poll();
        accept();
        stream();
        echo();
        short_lived();
    }

    // What is still open is closed; the accelerator runs in this process by now.
    void finish() {
        long_->close();
        if (peer_)
            peer_->close();
        if (one_)
            one_->close();
        for (int i = 0; i < 50; i++) {
            accept();
            echo();
            m_.host.settle();
        }
    }

    static constexpr uint64_t kTotal = 30'000'000;
    static constexpr uint32_t kShort = 300;

private:
    void accept() {
        uint32_t d = m_.server.region().accept(m_.listener->dti());
        if (d == eta::al::kNoDti)
            return;
        m_.server.replenish(*m_.listener);
        Sock& s = m_.server.adopt(d);
        if (!peer_) {  // the first one connected is the long one
            peer_ = &s;
            peer_->rx_key = kOutKey;
            peer_->tx_key = kInKey;
        } else {
            s.rx_key = s.tx_key = 77;
            echoes_.push_back(&s);
        }
    }

    void stream() {
        if (!peer_ || !long_->established())
            return;
        long_->send(kTotal - long_->tx_pos < 40000 ? kTotal - long_->tx_pos : 40000);
        peer_->send(kTotal - peer_->tx_pos < 40000 ? kTotal - peer_->tx_pos : 40000);
        got_ += peer_->recv();
        back_ += long_->recv();
        REQUIRE_FALSE(peer_->recv_error());
        REQUIRE_FALSE(long_->recv_error());
    }

    void echo() {
        std::erase_if(echoes_, [](Sock* s) {
            uint64_t n = s->recv();
            s->send(n);
            REQUIRE_FALSE(s->recv_error());
            if (!s->eof())
                return false;
            s->close();
            return true;
        });
    }

    void short_lived() {
        if (!peer_)
            return;
        if (!one_) {
            one_ = &m_.client.connect(kAddr, 7000);
            one_->rx_key = one_->tx_key = 77;
        }
        if (one_->connecting())
            return;
        if (one_->closed() && one_->err() == ETA_ERR_USE_OS) {  // no child was free just now
            one_->close();
            one_ = nullptr;
            return;
        }
        const eta_dti_fw& f = one_->fw();
        const eta_dti_app& a = m_.client.region().app(one_->dti());
        INFO("short connection: state " << f.state << " flags " << f.flags << " err " << f.err
                                        << " gen " << f.gen << "/" << a.gen << " rx " << f.rx_tail
                                        << "/" << a.rx_head << " tx " << f.tx_acked << "/"
                                        << a.tx_tail << " sq " << f.sq_head << "/" << a.sq_tail);
        REQUIRE(one_->established());
        one_->send(500 - one_->tx_pos);
        one_->recv();
        REQUIRE_FALSE(one_->recv_error());
        if (one_->rx_pos < 500)
            return;
        one_->close();
        one_ = nullptr;
        short_done_++;
    }

    Machine& m_;
    Sock* long_;
    Sock* peer_ = nullptr;
    Sock* one_ = nullptr;
    std::vector<Sock*> echoes_;
    uint64_t got_ = 0, back_ = 0;
    uint32_t short_done_ = 0;
};

}  // namespace

TEST_CASE("kill: programs and accelerator work at the same time, nothing is lost") {
    Machine m;
    m.start();
    Work work(m);
    uint64_t end = clock_us() + 60 * kSec;
    while (!work.done() && clock_us() < end)
        work.step();
    INFO(work.state());
    CHECK(work.done());
}

TEST_CASE("kill: killed at any instruction, every byte arrives and everything comes back") {
    Machine m;
    Work work(m);
    const char* seed = std::getenv("ETA_TEST_SEED");
    eta::fw::Rng rng(seed ? std::strtoull(seed, nullptr, 10) : 1);
    uint64_t end = clock_us() + 90 * kSec;
    uint32_t kills = 0;
    while (!work.done() && clock_us() < end) {
        m.start();
        uint64_t until = clock_us() + (kills < 150 ? 200 + rng.below(2500) : 90 * kSec);
        while (!work.done() && clock_us() < until)
            work.step();
        m.stop();
        kills++;
    }
    INFO(work.state() << " kills " << kills);
    REQUIRE(work.done());
    CHECK(kills > 20);
    // The rest in this process and in virtual time, from where the real clock stands.
    m.world.run_until(clock_us());
    m.host.kill_fw();
    m.host.start_fw();
    work.finish();
    m.world.run_until(m.world.now_us() + 100 * kSec);
    m.host.settle();
    INFO(m.host.describe_contexts());
    CHECK(m.host.contexts_in_use() == 0);
    CHECK(m.host.rx_buffers_in_use() == 0);
}
