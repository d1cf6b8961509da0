// SPDX-License-Identifier: MIT
// Result of a control-path call: a value or a positive errno. No exceptions in this tree.
// Any thread. Must not be used on the data path, where stages return verdicts.
#pragma once

#include <utility>

namespace eta {

template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : value_(std::move(value)) {}
    static Result error(int err) { return Result(err, 0); }

    bool ok() const { return err_ == 0; }
    int err() const { return err_; }
    T& value() { return value_; }
    const T& value() const { return value_; }

private:
    Result(int err, int) : err_(err) {}

    T value_{};
    int err_ = 0;
};

}  // namespace eta
