// SPDX-License-Identifier: MIT
// Simulator: see actors.h.
#include "sim/actors.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sim/run.h"

namespace eta::sim {

namespace {

uint64_t key_of(const Spec& s, bool to_server) {
    return 2 * uint64_t{s.id} + to_server + 1000;
}

}  // namespace

Actor::Actor(Run& run, test::SimHost& host, bool server) : run_(run), host_(host), server_(server) {
    test::ProgramOptions options;
    options.name = server ? "server" : "client";
    program_ = &host.start(options);
    program_->on_wake = [this] { wake_soon(); };
    program_->on_event = [this](test::Sock& s) {
        auto it = conns_.find(s.dti());
        if (it != conns_.end())
            step(it->second);
    };
}

void Actor::start() {
    if (server_)
        listener_ = &program_->listen(kServerPort, 64, run_.plan.children);
    wake_soon();
}

void Actor::close_listener() {
    if (listener_ && program_->alive())
        listener_->unlisten();
    listener_ = nullptr;
}

Outcome& Actor::outcome(const Conn& c) {
    return run_.outcomes[c.spec->id];
}

void Actor::wake_soon() {
    if (wake_queued_)
        return;
    wake_queued_ = true;
    uint32_t delay_us = run_.plan.sleepy_us ? run_.rng.below(run_.plan.sleepy_us + 1) : 0;
    run_.world.after(delay_us, [this] { run(); });
}

// One wake-up of the program: take events, work, arm, sleep.
void Actor::run() {
    wake_queued_ = false;
    if (!program_->alive())
        return;
    program_->poll();
    if (listener_)
        accept_all();
    for (auto& [d, c] : conns_) {
        if (c.retry) {
            c.retry = false;
            step(c);
        }
    }
    for (uint32_t d : finished_) {
        auto it = conns_.find(d);
        if (it != conns_.end() && it->second.sock == nullptr) {  // else: in use again already
            conns_.erase(it);
            program_->forget(d);
        }
    }
    finished_.clear();
    program_->region().flush();
    program_->region().reap(16);
    if (!program_->region().arm())
        wake_soon();
}

void Actor::accept_all() {
    for (;;) {
        uint32_t d = program_->region().accept(listener_->dti());
        if (d == al::kNoDti)
            break;
        Conn& c = conns_[d];
        c = Conn{};
        c.sock = &program_->adopt(d);
        step(c);
    }
    program_->replenish(*listener_);
}

void Actor::open(const Spec& s) {
    if (!program_->alive()) {
        run_.outcomes[s.id].excused = run_.outcomes[s.id].client_done = true;
        return;
    }
    uint32_t addr = s.loopback ? 0x7f000001 : run_.addr_of(s.server_host);
    test::Sock& sock = program_->connect(addr, kServerPort);
    if (s.nodelay)
        sock.control(ETA_CTL_NODELAY);
    Conn& c = conns_[sock.dti()];
    c = Conn{};
    c.spec = &s;
    c.sock = &sock;
    sock.tx_key = key_of(s, true);
    sock.rx_key = key_of(s, false);
    wake_soon();
}

void Actor::kill() {
    for (auto& [d, c] : conns_) {
        if (!c.spec)
            continue;
        outcome(c).excused = true;
        (server_ ? outcome(c).server_done : outcome(c).client_done) = true;
    }
    conns_.clear();
    finished_.clear();
    listener_ = nullptr;
    program_->die();
}

void Actor::step(Conn& c) {
    if (c.sock == nullptr || over(c))
        return;
    if (server_)
        step_server(c);
    else
        step_client(c);
}

// The accelerator has ended the connection with an error. After an orderly end (both FINs) what
// was received is still to be read.
bool Actor::over(Conn& c) {
    if (!c.sock->closed() || c.sock->err() == 0)
        return false;
    finish(c, c.sock->err());
    return true;
}

void Actor::finish(Conn& c, int err) {
    test::Sock* sock = c.sock;
    c.sock = nullptr;
    finished_.push_back(sock->dti());
    if (c.spec) {
        Outcome& o = outcome(c);
        (server_ ? o.server_done : o.client_done) = true;
        (server_ ? o.server_err : o.client_err) = err;
        (server_ ? o.server_sent : o.client_sent) = sock->tx_pos;
    }
    if (!sock->closed_by_us())
        sock->close();
    if (!server_ && (err == ETA_ERR_USE_OS || (err == ETIMEDOUT && sock->tx_pos == 0))) {
        // No child was free, and these machines have no OS stack to serve it: try again later.
        const Spec& s = *c.spec;
        Outcome& o = outcome(c);
        o.client_done = false;
        o.to_os = true;
        run_.world.after(100'000 + run_.rng.below(1'000'000), [this, &s] { open(s); });
    }
    wake_soon();
}

bool Actor::aborts(Conn& c, End mine) {
    if (c.spec->end != mine || c.sent < c.spec->abort_at)
        return false;
    if (mine == End::kClientCareless)
        c.sock->close();
    else
        c.sock->abort();
    finish(c, 0);
    return true;
}

// Writes what is left of `len` bytes, a chunk at a time, until there is no room.
void Actor::transmit(Conn& c, uint64_t len) {
    End end = c.spec->end;
    bool may_abort = server_ ? end == End::kServerAbort
                             : end == End::kClientAbort || end == End::kClientCareless;
    while (c.sent < len) {
        uint64_t want = std::min<uint64_t>(c.spec->chunk, len - c.sent);
        if (may_abort && c.sent < c.spec->abort_at)
            want = std::min(want, c.spec->abort_at - c.sent);
        uint32_t n = 0;
        if (!server_ && c.sent == 0) {
            uint64_t id = c.spec->id | 0xe7a0000000000000u;
            n = c.sock->send_raw(&id, 8);
        } else {
            n = c.sock->send(want);
        }
        c.sent += n;
        (server_ ? outcome(c).server_sent : outcome(c).client_sent) = c.sock->tx_pos;
        if (may_abort && c.sent >= c.spec->abort_at)
            return;
        if (c.sock->send_error() && c.sock->send_error() != EAGAIN) {
            finish(c, c.sock->send_error());
            return;
        }
        bool header = n == 8 && c.sent == 8;
        if (n < want && !header && (n == 0 || !program_->region().want_tx(c.sock->dti()))) {
            if (n == 0 && program_->region().want_tx(c.sock->dti()))
                wake_soon(), c.retry = true;
            return;
        }
    }
}

void Actor::janitor() {
    for (auto& [d, c] : conns_) {
        if (!c.sock)
            continue;
        uint64_t now = c.sock->tx_pos + c.sock->rx_pos;
        c.idle_rounds = now == c.progress ? c.idle_rounds + 1 : 0;
        c.progress = now;
        bool alone = !c.spec;
        if (c.spec) {
            const Outcome& o = outcome(c);
            alone = (server_ ? o.client_done : o.server_done) &&
                    (c.spec->end >= End::kClientAbort || o.excused);
        }
        if (!alone || c.idle_rounds < (c.spec ? 2 : 20))
            continue;
        c.sock->abort();
        finish(c, 0);
    }
}

bool Actor::read_header(Conn& c) {
    uint32_t n = c.sock->recv_raw(c.header + c.header_have, 8 - c.header_have);
    c.header_have += n;
    if (c.header_have < 8)
        return false;
    uint64_t id = 0;
    std::memcpy(&id, c.header, 8);
    if ((id >> 32) != 0xe7a00000u || static_cast<uint32_t>(id) >= run_.plan.specs.size())
        run_.fail("the header of a request is wrong");
    c.spec = &run_.plan.specs[static_cast<uint32_t>(id)];
    c.sock->rx_key = key_of(*c.spec, true);
    c.sock->tx_key = key_of(*c.spec, false);
    outcome(c).server_began = true;
    if (c.spec->nodelay)
        c.sock->control(ETA_CTL_NODELAY);
    return true;
}

// Reads what is there. True: the stream has ended (eof or error).
bool Actor::receive(Conn& c, uint64_t stall_at) {
    if (c.stalled)
        return false;
    if (!c.stall_done && c.sock->rx_pos >= stall_at && c.spec->stall_us) {
        c.stalled = c.stall_done = true;
        uint32_t dti = c.sock->dti();
        run_.world.after(c.spec->stall_us, [this, dti, sock = c.sock] {
            auto it = conns_.find(dti);
            if (it == conns_.end() || it->second.sock != sock || !program_->alive())
                return;
            it->second.stalled = false;
            step(it->second);
            wake_soon();
        });
        return false;
    }
    uint64_t max = !c.stall_done && stall_at != UINT64_MAX ? stall_at - c.sock->rx_pos : UINT64_MAX;
    c.sock->recv(std::max<uint64_t>(max, 1));
    Outcome& o = outcome(c);
    (server_ ? o.server_got : o.client_got) = c.sock->rx_pos;
    c.eof = c.sock->eof();
    (server_ ? o.server_eof : o.client_eof) = c.eof;
    if (c.sock->rx_pos > (server_ ? o.client_sent : o.server_sent))
        run_.fail("connection " + std::to_string(c.spec->id) + ": more bytes received than sent");
    if (c.sock->recv_error()) {
        finish(c, c.sock->recv_error());
        return true;
    }
    if (!c.stall_done && c.sock->rx_pos >= stall_at && c.spec->stall_us)
        return receive(c, stall_at);
    return c.eof;
}

void Actor::step_client(Conn& c) {
    if (c.sock->connecting())
        return;
    const Spec& s = *c.spec;
    transmit(c, s.req_len);
    if (!c.sock)
        return;
    if (aborts(c, End::kClientAbort) || aborts(c, End::kClientCareless))
        return;
    if (c.sent == s.req_len && !c.shut && s.end == End::kClientFin) {
        c.shut = true;
        c.sock->shutdown();
    }
    receive(c, s.client_stall_at);
    if (!c.sock)
        return;
    bool have_all = c.sent == s.req_len && c.sock->rx_pos >= s.resp_len;
    if (c.eof || (have_all && s.end == End::kClientClose)) {
        c.sock->close();
        finish(c, 0);
    }
}

void Actor::step_server(Conn& c) {
    if (!c.spec && !read_header(c)) {
        if (c.sock->eof() || c.sock->recv_error())
            finish(c, c.sock->recv_error());
        return;
    }
    const Spec& s = *c.spec;
    receive(c, std::max<uint64_t>(s.server_stall_at, 8));
    if (!c.sock)
        return;
    bool request_done = c.sock->rx_pos >= s.req_len;
    if (s.duplex || request_done || c.eof)
        transmit(c, s.resp_len);
    if (!c.sock || aborts(c, End::kServerAbort))
        return;
    if (c.sent < s.resp_len)
        return;
    bool first = s.end == End::kServerClose && request_done;
    if (c.eof || first) {
        c.sock->close();
        finish(c, 0);
    }
}

std::string Actor::describe() const {
    std::string out;
    for (auto& [d, c] : conns_) {
        if (!c.sock)
            continue;
        out += std::string(server_ ? "  server" : "  client") + " dti " + std::to_string(d) +
               " conn " + (c.spec ? std::to_string(c.spec->id) : "?") + " state " +
               std::to_string(c.sock->state()) + " sent " + std::to_string(c.sock->tx_pos) +
               " unacked " + std::to_string(c.sock->unacked()) + " got " +
               std::to_string(c.sock->rx_pos) + " readable " + std::to_string(c.sock->readable()) +
               (c.eof ? " eof" : "") + (c.stalled ? " stalled" : "") + "\n";
    }
    return out;
}

}  // namespace eta::sim
