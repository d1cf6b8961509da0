// SPDX-License-Identifier: MIT
// Test harness: see program.h.
#include "harness/program.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "harness/pattern.h"
#include "harness/sim_host.h"

namespace eta::test {

namespace {

uint32_t v4(const uint8_t* a) {
    return static_cast<uint32_t>(a[12]) << 24 | a[13] << 16 | a[14] << 8 | a[15];
}

void kick(void* host) {
    static_cast<SimHost*>(host)->poke();
}

}  // namespace

Program::Program(SimHost& host, const ProgramOptions& options) : host_(host) {
    std::snprintf(client_.comm, sizeof client_.comm, "%s", options.name.c_str());
    client_.pid = host.next_pid();
    eta_attach attach{};
    attach.abi_version = ETA_ABI_VERSION;
    attach.role = ETA_ROLE_APP;
    host.command(client_, ETA_CMD_ATTACH, attach);
    host.set_program(client_.region, this);
    alive_ = true;
    state_.resize(al::AppRegion::state_bytes(ro()->map) / 8 + 16);
    auto at = reinterpret_cast<uintptr_t>(state_.data());
    auto* aligned = reinterpret_cast<void*>((at + 63) & ~uintptr_t{63});
    if (region_.init(ro(), rw(), aligned) != 0)
        throw std::runtime_error("AppRegion::init");
    region_.set_kick(kick, &host_);
    eta_dti_create create{};
    create.count = options.dtis;
    host.command(client_, ETA_CMD_DTI_CREATE, create);
    region_.add_dtis(create.first, create.count);
}

Program::~Program() {
    if (alive_)
        die();
}

void Program::abandon() {
    alive_ = false;
    on_wake = nullptr;
    on_event = nullptr;
}

void Program::die() {
    abandon();
    socks_.clear();
    host_.client_gone(client_);
}

eta_region_ro* Program::ro() const {
    return host_.region_ro(client_.region);
}
eta_region_rw* Program::rw() const {
    return host_.region_rw(client_.region);
}

uint32_t Program::dti_alloc() {
    uint32_t d = region_.dti_alloc();
    if (d != al::kNoDti)
        return d;
    eta_dti_create create{};
    create.count = 16;
    if (host_.try_command(client_, ETA_CMD_DTI_CREATE, create) != 0)
        return al::kNoDti;
    region_.add_dtis(create.first, create.count);
    return region_.dti_alloc();
}

Sock& Program::adopt(uint32_t dti) {
    auto& slot = socks_[dti];
    if (slot)
        old_.push_back(std::move(slot));
    slot = std::make_unique<Sock>(*this, dti);
    return *slot;
}

Sock* Program::find(uint32_t dti) {
    auto it = socks_.find(dti);
    return it == socks_.end() ? nullptr : it->second.get();
}

Sock& Program::connect(uint32_t addr, uint16_t port) {
    uint32_t d = dti_alloc();
    if (d == al::kNoDti)
        throw std::runtime_error("no DTI left");
    eta_connect args{};
    eta_addr_from_v4(args.daddr, htonl(addr));
    args.dport = htons(port);
    if (region_.connect(d, args) != 0)
        throw std::runtime_error("connect");
    host_.poke();
    return adopt(d);
}

Sock& Program::listen(uint16_t port, uint32_t backlog, uint32_t children, uint32_t addr) {
    uint32_t d = dti_alloc();
    if (d == al::kNoDti)
        throw std::runtime_error("no DTI left");
    region_.listen(d);
    Sock& s = adopt(d);
    s.os_fd = host_.os_listen(addr, port);
    eta_listen args{};
    args.os_fd = s.os_fd;
    args.local = d;
    args.backlog = backlog;
    host_.command(client_, ETA_CMD_LISTEN, args);
    s.listener_index = args.listener;
    s.children = children;
    replenish(s);
    host_.poke();
    return s;
}

void Program::replenish(Sock& listener) {
    bool any = false;
    while (region_.posted(listener.dti_) < listener.children) {
        uint32_t child = dti_alloc();
        if (child == al::kNoDti)
            break;
        region_.post_child(listener.dti_, child);
        any = true;
    }
    if (any)
        region_.ring(listener.dti_);
}

bool Program::poll() {
    if (!alive_ || lawless)
        return false;
    awake = false;
    uint32_t n = region_.poll_events([this](uint32_t d) {
        Sock* s = find(d);
        if (s && on_event)
            on_event(*s);
    });
    region_.flush();
    for (auto& [d, s] : socks_)
        if (s->children)
            replenish(*s);
    return n != 0;
}

uint32_t Sock::state() const {
    return gone_ ? ETA_DTI_CLOSED : program_.region_.state(dti_);
}
int Sock::err() const {
    return static_cast<int>(program_.region_.fw(dti_).err);
}
uint64_t Sock::readable() const {
    return program_.region_.recv_ready(dti_);
}
uint64_t Sock::unacked() const {
    return program_.region_.send_pending(dti_);
}
const eta_dti_fw& Sock::fw() const {
    return program_.region_.fw(dti_);
}
uint32_t Sock::local_addr() const {
    return v4(fw().laddr);
}
uint32_t Sock::remote_addr() const {
    return v4(fw().raddr);
}
uint16_t Sock::local_port() const {
    return ntohs(fw().lport);
}
uint16_t Sock::remote_port() const {
    return ntohs(fw().rport);
}

uint32_t Sock::send(uint64_t bytes) {
    uint8_t buf[16384];
    uint64_t done = 0;
    send_error_ = 0;
    while (done < bytes) {
        size_t n = std::min<uint64_t>(sizeof buf, bytes - done);
        pattern_fill(tx_key, tx_pos, buf, n);
        int64_t r = program_.region_.send(dti_, buf, n);
        if (r <= 0) {
            send_error_ = static_cast<int>(-r);
            break;
        }
        tx_pos += static_cast<uint64_t>(r);
        done += static_cast<uint64_t>(r);
    }
    program_.host_.poke();
    return static_cast<uint32_t>(done);
}

uint32_t Sock::send_raw(const void* p, uint32_t len) {
    int64_t r = program_.region_.send(dti_, p, len);
    send_error_ = r < 0 ? static_cast<int>(-r) : 0;
    tx_pos += r > 0 ? static_cast<uint64_t>(r) : 0;
    program_.host_.poke();
    return r > 0 ? static_cast<uint32_t>(r) : 0;
}

uint32_t Sock::recv_raw(void* p, uint32_t len) {
    int64_t r = program_.region_.recv(dti_, p, len);
    recv_error_ = r < 0 && r != -EAGAIN ? static_cast<int>(-r) : 0;
    eof_ |= r == 0;
    rx_pos += r > 0 ? static_cast<uint64_t>(r) : 0;
    program_.host_.poke();
    return r > 0 ? static_cast<uint32_t>(r) : 0;
}

uint64_t Sock::recv(uint64_t max) {
    uint8_t buf[16384];
    uint64_t done = 0;
    recv_error_ = 0;
    while (done < max) {
        size_t n = std::min<uint64_t>(sizeof buf, max - done);
        int64_t r = program_.region_.recv(dti_, buf, n);
        if (r == 0)
            eof_ = true;
        if (r < 0 && r != -EAGAIN)
            recv_error_ = static_cast<int>(-r);
        if (r <= 0)
            break;
        if (pattern_check(rx_key, rx_pos, buf, static_cast<size_t>(r)) != static_cast<size_t>(r))
            corrupt = true;
        rx_pos += static_cast<uint64_t>(r);
        done += static_cast<uint64_t>(r);
    }
    program_.host_.poke();
    if (corrupt)
        program_.host_.fail("a received byte is wrong");
    return done;
}

void Sock::shutdown() {
    program_.region_.shutdown_wr(dti_);
    program_.host_.poke();
}

void Sock::shutdown_read() {
    program_.region_.shutdown_rd(dti_);
    program_.host_.poke();
}

void Sock::close() {
    gone_ = true;
    program_.region_.close(dti_);
    program_.host_.poke();
}

void Sock::abort() {
    gone_ = true;
    program_.region_.abort(dti_);
    program_.host_.poke();
}

void Sock::control(uint32_t set, uint32_t clear) {
    program_.region_.set_ctl(dti_, set, clear);
    program_.host_.poke();
}

Sock* Sock::try_accept() {
    program_.host_.settle();
    uint32_t d = program_.region_.accept(dti_);
    program_.replenish(*this);
    return d == al::kNoDti ? nullptr : &program_.adopt(d);
}

Sock* Sock::accept() {
    Sock* s = try_accept();
    if (!s)
        program_.host_.fail("no connection to accept");
    return s;
}

void Sock::unlisten() {
    eta_unlisten args{};
    args.listener = listener_index;
    children = 0;
    program_.host_.command(program_.client_, ETA_CMD_UNLISTEN, args);
    program_.region_.unlisten(dti_);
    program_.host_.poke();
}

}  // namespace eta::test
