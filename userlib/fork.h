// SPDX-License-Identifier: MIT
// What happens to sockets at fork. See fork.cc.
#pragma once

#include <cstdint>

namespace eta::al {

struct Sock;
struct Region;

void fork_init();  // registers the handlers, remembers the process id

// True in a child made by vfork or by a bare clone: it shares or copied our tables without the
// handlers having run. Such a child only closes and duplicates kernel descriptors before exec.
bool fork_is_stranger();

// This process is done with the connection. True: nobody else holds it, close it. Held.
bool fork_leave(Sock* s);
// The last connection of an inherited region is gone: lets go of the region. Held.
void fork_release(Region* r);
// The owner looks whether children that held connections are gone, and closes what they left.
// At every sleep; cheap without children.
void fork_reap();
// Longest sleep while fork_reap has something to wait for, nanoseconds; UINT64_MAX: none.
uint64_t fork_sleep_limit();

}  // namespace eta::al
