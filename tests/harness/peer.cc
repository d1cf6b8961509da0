// SPDX-License-Identifier: MIT
// Test harness: see peer.h.
#include "harness/peer.h"

#include <catch2/catch.hpp>

#include "harness/lab.h"
#include "harness/pattern.h"

namespace eta::test {

namespace {

std::string wrong(const char* what, uint64_t want, uint64_t got) {
    return std::string(what) + ": want " + std::to_string(want) + " got " + std::to_string(got) +
           "; ";
}

}  // namespace

Peer::Peer(Lab& lab, uint16_t p, uint16_t ep) : port(p), engine_port(ep), lab_(lab) {
    lab.add_peer(this);
}

Peer::~Peer() {
    lab_.remove_peer(this);
}

TcpFrame Peer::build(const Seg& s) const {
    TcpFrame t;
    t.smac = kPeerMac;
    t.dmac = kHostMac;
    t.saddr = kPeerAddr;
    t.daddr = kHostAddr;
    t.sport = port;
    t.dport = engine_port;
    t.flags = s.flags_.value_or(kA);
    uint32_t rel = s.seq_.value_or(snd_nxt);
    t.seq = iss + rel;
    if (t.flags & kA)
        t.ack = irs + s.ack_.value_or(rcv_nxt);
    t.wnd = static_cast<uint16_t>(s.wnd_.value_or(window));
    t.mss = s.mss_;
    t.wscale = s.wscale_;
    t.sack_ok = s.sack_ok_.value_or(false);
    if (s.ts_.value_or(ts_on)) {
        uint32_t clock = ts_base + static_cast<uint32_t>(lab_.world.now_us() / 1000);
        t.ts = {s.ts_val_.value_or(clock), s.ts_ecr_.value_or(ts_recent)};
    }
    for (auto& [start, end] : s.sack_)
        t.sack.emplace_back(irs + start, irs + end);
    t.payload.resize(s.len_.value_or(0));
    if (!t.payload.empty())
        pattern_fill(kInKey, rel - 1 + ((t.flags & kS) ? 1 : 0), t.payload.data(),
                     t.payload.size());
    return t;
}

Bytes Peer::frame_of(const Seg& s) {
    return encode(build(s));
}

void Peer::send(const Seg& s) {
    TcpFrame t = build(s);
    uint32_t end =
        t.seq - iss + static_cast<uint32_t>(t.payload.size()) + !!(t.flags & kS) + !!(t.flags & kF);
    if (!(t.flags & kR) && static_cast<int32_t>(end - snd_nxt) > 0)
        snd_nxt = end;
    if (t.flags & kS && t.wscale)
        wscale = *t.wscale;
    lab_.inject(encode(t));
    if (!hold)
        lab_.settle();
}

void Peer::learn(const TcpFrame& t) {
    if (t.flags & kS) {
        irs = t.seq;
        irs_known_ = true;
        engine_wscale = t.wscale.value_or(0);
        if (t.ts)
            ts_recent = t.ts->first;
    }
    if (!irs_known_ || t.flags & kR)
        return;
    uint32_t rel = t.seq - irs;
    uint32_t len = static_cast<uint32_t>(t.payload.size()) + !!(t.flags & kS) + !!(t.flags & kF);
    if (static_cast<int32_t>(rel - rcv_nxt) <= 0 &&
        static_cast<int32_t>(rel + len - rcv_nxt) >= 0) {
        rcv_nxt = rel + len;
        if (t.ts)
            ts_recent = t.ts->first;
    }
}

void Peer::arrived(const TcpFrame& t, uint64_t) {
    if (!irs_known_ && (t.flags & kS)) {
        irs = t.seq;
        irs_known_ = true;
    }
    if (check_payload && !t.payload.empty()) {
        uint32_t pos = t.seq - irs - 1;
        size_t good = pattern_check(kOutKey, pos, t.payload.data(), t.payload.size());
        INFO("segment " << relative(t) << " byte " << good << " is wrong");
        REQUIRE(good == t.payload.size());
    }
    inbox_.push_back(t);
}

std::string Peer::relative(const TcpFrame& t) const {
    TcpFrame r = t;
    r.seq -= irs;
    r.ack = (t.flags & kA) ? t.ack - iss : 0;
    for (auto& [start, end] : r.sack)
        start -= iss, end -= iss;
    return describe(r);
}

std::string Peer::mismatch_options(const Seg& want, const TcpFrame& got) const {
    std::string s;
    if (want.mss_ && got.mss.value_or(0) != *want.mss_)
        s += wrong("mss", *want.mss_, got.mss.value_or(0));
    if (want.wscale_ && got.wscale.value_or(255) != *want.wscale_)
        s += wrong("wscale", *want.wscale_, got.wscale.value_or(255));
    if (want.sack_ok_ && got.sack_ok != *want.sack_ok_)
        s += wrong("sackOK", *want.sack_ok_, got.sack_ok);
    if (want.ts_ && got.ts.has_value() != *want.ts_)
        s += wrong("timestamps", *want.ts_, got.ts.has_value());
    if (want.ts_val_ && (!got.ts || got.ts->first != *want.ts_val_))
        s += wrong("TSval", *want.ts_val_, got.ts ? got.ts->first : 0);
    if (want.ts_ecr_ && (!got.ts || got.ts->second != *want.ts_ecr_))
        s += wrong("TSecr", *want.ts_ecr_, got.ts ? got.ts->second : 0);
    for (size_t i = 0; i < want.sack_.size(); i++) {
        auto [start, end] =
            i < got.sack.size() ? got.sack[i] : std::pair<uint32_t, uint32_t>{iss, iss};
        if (start - iss != want.sack_[i].first || end - iss != want.sack_[i].second)
            s += "SACK block " + std::to_string(i) + "; ";
    }
    return s;
}

std::string Peer::mismatch(const Seg& want, const TcpFrame& got) const {
    std::string s;
    constexpr uint8_t kCare = kF | kS | kR | kA;
    if (want.flags_ && (got.flags & kCare) != (*want.flags_ & kCare))
        s += wrong("flags", *want.flags_ & kCare, got.flags & kCare);
    if (want.seq_ && got.seq - irs != *want.seq_)
        s += wrong("seq", *want.seq_, got.seq - irs);
    if (want.ack_ && got.ack - iss != *want.ack_)
        s += wrong("ack", *want.ack_, got.ack - iss);
    if (want.len_ && got.payload.size() != *want.len_)
        s += wrong("len", *want.len_, got.payload.size());
    if (want.wnd_ && got.wnd != *want.wnd_)
        s += wrong("wnd", *want.wnd_, got.wnd);
    return s + mismatch_options(want, got);
}

TcpFrame Peer::expect(const Seg& s) {
    lab_.settle();
    if (inbox_.empty()) {
        FAIL("expected a segment (flags " << int(s.flags_.value_or(0)) << " seq "
                                          << s.seq_.value_or(0) << " ack " << s.ack_.value_or(0)
                                          << "), got nothing");
    }
    TcpFrame got = inbox_.front();
    inbox_.pop_front();
    learn(got);
    std::string why = mismatch(s, got);
    INFO("got " << relative(got) << ": " << why);
    REQUIRE(why.empty());
    return got;
}

bool Peer::wait_any(uint64_t within_us) {
    lab_.settle();
    return !inbox_.empty() || lab_.advance_until(within_us, [this] { return !inbox_.empty(); });
}

TcpFrame Peer::expect_within(uint64_t within_us, const Seg& s) {
    wait_any(within_us);
    return expect(s);
}

void Peer::expect_nothing() {
    lab_.settle();
    INFO("expected silence, got " << (inbox_.empty() ? "" : relative(inbox_.front())));
    REQUIRE(inbox_.empty());
}

void Peer::expect_nothing_for(uint64_t us) {
    wait_any(us);
    expect_nothing();
}

std::vector<TcpFrame> Peer::take_all() {
    lab_.settle();
    std::vector<TcpFrame> all(inbox_.begin(), inbox_.end());
    inbox_.clear();
    for (const TcpFrame& t : all)
        learn(t);
    return all;
}

void Peer::open_passive(const Seg& options) {
    Seg s = options;
    s.flags_ = kS;
    send(s);
    TcpFrame got = expect(syn_ack().ack(1));
    ts_on = options.ts_.value_or(false) && got.ts;
    if (!got.wscale)
        wscale = engine_wscale = 0;
    send(ack());
}

void Peer::open_active(const Seg& options) {
    TcpFrame got = expect(syn());
    engine_port = got.sport;
    Seg s = options;
    s.flags_ = kS | kA;
    ts_on = options.ts_.value_or(false) && got.ts;
    send(s);
    if (!options.wscale_)
        engine_wscale = 0;
    expect(ack(1).seq(1));
}

}  // namespace eta::test
