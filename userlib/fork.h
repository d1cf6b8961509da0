// SPDX-License-Identifier: MIT
// What happens to sockets at fork. See fork.cc.
#pragma once

namespace eta::al {

void fork_init();  // registers the handlers, remembers the process id

// True in a child made by vfork or by a bare clone: it shares or copied our tables without the
// handlers having run. Such a child only closes and duplicates kernel descriptors before exec.
bool fork_is_stranger();

}  // namespace eta::al
