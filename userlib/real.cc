// SPDX-License-Identifier: MIT
// See real.h. dlsym(RTLD_NEXT) once; nothing here allocates.
#include "real.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "demux.h"
#include "lock.h"

namespace eta::al {

Real g_real;
bool g_real_ready;

void real_init()
{
    Real r;
#define ETA_REAL_RESOLVE(ret, name, args) \
    r.name = reinterpret_cast<decltype(r.name)>(dlsym(RTLD_NEXT, #name));
    ETA_REAL_FUNCTIONS(ETA_REAL_RESOLVE)
#undef ETA_REAL_RESOLVE
    g_real = r;  // several threads write the same values
    __atomic_store_n(&g_real_ready, true, __ATOMIC_RELEASE);
}

int keep_fd(int fd)
{
    if (fd < 0) {
        return fd;
    }
    rlimit lim = {};
    getrlimit(RLIMIT_NOFILE, &lim);
    const int floor = lim.rlim_cur > 4096 ? 2048 : static_cast<int>(lim.rlim_cur * 7 / 8);
    const long moved = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, floor);
    if (moved >= 0) {
        syscall(SYS_close, fd);
        fd = static_cast<int>(moved);
    }
    demux_set_internal(fd);
    return fd;
}

uint64_t now_ns()
{
    timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return static_cast<uint64_t>(ts.tv_sec) * 1000000000u + static_cast<uint64_t>(ts.tv_nsec);
}

void Mutex::futex(int op, uint32_t value)
{
    syscall(SYS_futex, &word_, op, value, nullptr, nullptr, 0);
}

}  // namespace eta::al
