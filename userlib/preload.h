// SPDX-License-Identifier: MIT
// Edges between libc-shaped functions and the library, which returns -errno.
#pragma once

#include <cerrno>
#include <cstdint>

#define ETA_EXPORT extern "C" __attribute__((visibility("default")))

namespace eta::al {

inline long libc_long(int64_t r)
{
    if (__builtin_expect(r < 0, 0)) {
        errno = static_cast<int>(-r);
        return -1;
    }
    return static_cast<long>(r);
}

inline int libc_int(int r)
{
    return static_cast<int>(libc_long(r));
}

}  // namespace eta::al
