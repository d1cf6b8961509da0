// SPDX-License-Identifier: MIT
// Test harness: virtual time and the queue of things to come. Everything in a simulated run
// happens from here, in an order that depends on nothing but the seed. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

namespace eta::test {

class World {
public:
    uint64_t now_us() const { return now_us_; }

    void at(uint64_t when_us, std::function<void()> what) {
        events_.push(Event{when_us < now_us_ ? now_us_ : when_us, next_id_++, std::move(what)});
    }
    void after(uint64_t delay_us, std::function<void()> what) {
        at(now_us_ + delay_us, std::move(what));
    }

    bool idle() const { return events_.empty(); }
    uint64_t next_us() const { return events_.empty() ? UINT64_MAX : events_.top().when_us; }

    // Runs the next event. False if there is none.
    bool step() {
        if (events_.empty())
            return false;
        Event e = std::move(const_cast<Event&>(events_.top()));
        events_.pop();
        now_us_ = e.when_us;
        steps_++;
        e.what();
        return true;
    }

    // Runs everything due until `when_us` and sets the clock to it.
    void run_until(uint64_t when_us) {
        while (next_us() <= when_us)
            step();
        if (now_us_ < when_us)
            now_us_ = when_us;
    }

    uint64_t steps() const { return steps_; }

private:
    struct Event {
        uint64_t when_us;
        uint64_t id;  // ties run in the order they were made
        std::function<void()> what;

        bool operator<(const Event& o) const {
            return when_us != o.when_us ? when_us > o.when_us : id > o.id;
        }
    };

    uint64_t now_us_ = 1'000'000;  // not zero: the engine uses a deadline of 0 for "none"
    uint64_t next_id_ = 0;
    uint64_t steps_ = 0;
    std::priority_queue<Event> events_;
};

}  // namespace eta::test
