// SPDX-License-Identifier: MIT
// Test harness: a TCP peer driven by hand, for scenarios. It sends exactly the segment it is told
// to and checks the next one it gets; it never acknowledges or answers by itself.
// Sequence numbers are relative: 0 is the SYN of the side that sends the segment.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "harness/frame.h"

namespace eta::test {

class Lab;

constexpr uint64_t kOutKey = 1;  // stream that the engine's program sends
constexpr uint64_t kInKey = 2;   // stream that the peer sends

// A segment to send or to expect. What is not set is filled in when sending (the next sequence
// number, the newest acknowledgement, the peer's window) and not looked at when expecting.
struct Seg {
    std::optional<uint8_t> flags_;
    std::optional<uint32_t> seq_, ack_, wnd_, len_;
    std::optional<uint16_t> mss_;
    std::optional<uint8_t> wscale_;
    std::optional<bool> sack_ok_, ts_;
    std::optional<uint32_t> ts_val_, ts_ecr_;
    std::vector<std::pair<uint32_t, uint32_t>> sack_;  // relative to the receiver's stream
    bool psh_any_ = true;

    Seg& seq(uint32_t v) { return seq_ = v, *this; }
    Seg& ack(uint32_t v) { return ack_ = v, *this; }
    Seg& wnd(uint32_t v) { return wnd_ = v, *this; }  // as on the wire
    Seg& len(uint32_t v) { return len_ = v, *this; }
    Seg& mss(uint16_t v) { return mss_ = v, *this; }
    Seg& wscale(uint8_t v) { return wscale_ = v, *this; }
    Seg& sack_ok(bool v = true) { return sack_ok_ = v, *this; }
    Seg& ts(bool v = true) { return ts_ = v, *this; }
    Seg& ts_val(uint32_t v) { return ts_val_ = v, ts_ = true, *this; }
    Seg& ts_ecr(uint32_t v) { return ts_ecr_ = v, ts_ = true, *this; }
    Seg& sack(uint32_t start, uint32_t end) { return sack_.emplace_back(start, end), *this; }
    Seg& fin() { return flags_ = static_cast<uint8_t>(flags_.value_or(0) | kF), *this; }
};

inline Seg with_flags(uint8_t flags) {
    Seg s;
    s.flags_ = flags;
    return s;
}
inline Seg syn() {
    return with_flags(kS);
}
inline Seg syn_ack() {
    return with_flags(kS | kA);
}
inline Seg ack() {
    return with_flags(kA).len(0);
}
inline Seg ack(uint32_t number) {
    return ack().ack(number);
}
inline Seg fin_ack() {
    return with_flags(kF | kA);
}
inline Seg rst() {
    return with_flags(kR);
}
inline Seg rst_ack() {
    return with_flags(kR | kA);
}
// Data; PSH is never looked at.
inline Seg data(uint32_t seq, uint32_t len) {
    return with_flags(kA).seq(seq).len(len);
}

class Peer {
public:
    Peer(Lab& lab, uint16_t port, uint16_t engine_port);
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    void send(const Seg& s);
    // The next segment must have arrived by now and look like this.
    TcpFrame expect(const Seg& s);
    // Time passes, up to `within_us`, until a segment arrives; it must look like this.
    TcpFrame expect_within(uint64_t within_us, const Seg& s);
    void expect_nothing();
    void expect_nothing_for(uint64_t us);
    // Takes whatever has arrived.
    std::vector<TcpFrame> take_all();
    size_t waiting() const { return inbox_.size(); }
    bool wait_any(uint64_t within_us);

    // Sends the frame of `s` without telling the peer's own bookkeeping; for broken segments.
    Bytes frame_of(const Seg& s);

    // Handshake as a client, with the peer's options; the program accepts it.
    void open_passive(const Seg& options);
    // Answers the SYN that an active open has sent.
    void open_active(const Seg& options);

    uint32_t iss = 0xfffff000;  // the sequence space wraps early in every test
    uint32_t irs = 0;           // of the engine, learnt from its SYN
    uint32_t snd_nxt = 0;       // relative
    uint32_t rcv_nxt = 0;       // relative, in-order edge of what the engine sent
    uint32_t window = 65535;    // field of outgoing segments
    bool ts_on = false;         // puts timestamps into each segment
    uint32_t ts_base = 5000;
    uint32_t ts_recent = 0;
    uint8_t wscale = 0;  // of the peer's windows, after the handshake
    uint8_t engine_wscale = 0;
    uint16_t port, engine_port;
    bool check_payload = true;
    bool hold = false;  // segments sent arrive together, when the lab settles next

private:
    friend class Lab;
    void arrived(const TcpFrame& t, uint64_t at_us);
    TcpFrame build(const Seg& s) const;
    std::string mismatch(const Seg& want, const TcpFrame& got) const;
    std::string mismatch_options(const Seg& want, const TcpFrame& got) const;
    void learn(const TcpFrame& t);
    std::string relative(const TcpFrame& t) const;

    Lab& lab_;
    std::deque<TcpFrame> inbox_;
    bool irs_known_ = false;
};

}  // namespace eta::test
