// SPDX-License-Identifier: MIT
// poll and select over any mix of descriptors. See sock_poll.cc.
#pragma once

#include <poll.h>
#include <signal.h>

#include <cstdint>

namespace eta::al {

// True if any of them needs our help; otherwise the kernel's own call will do.
bool poll_has_eta(const pollfd* fds, uint32_t n);
// As poll(2), but -errno.
int poll_on(pollfd* fds, uint32_t n, uint64_t deadline_ns, const sigset_t* mask);

}  // namespace eta::al
