// SPDX-License-Identifier: MIT
// Client of the kernel agent. See agent.h. Control path, any thread, under one lock; system calls
// are made raw so that an interposing library does not see them.
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace eta {

namespace {

constexpr uint64_t kOne = 1;
constexpr int kClearRounds = 64;  // wake-ups taken back at once; more only cost a spurious wake

int sys_open(const char* path, int flags)
{
    long fd = syscall(SYS_openat, AT_FDCWD, path, flags, 0);
    return fd < 0 ? -errno : static_cast<int>(fd);
}

void sys_close(int* fd)
{
    if (*fd >= 0) syscall(SYS_close, *fd);
    *fd = -1;
}

// Programs expect the lowest numbers for themselves (dup2 onto 3, FD_SETSIZE). Stays where it is
// if there is no room above.
void move_high(int* fd)
{
    rlimit64 lim = {};
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &lim) < 0 || lim.rlim_cur < 128) return;
    const long from = lim.rlim_cur < 1024 ? static_cast<long>(lim.rlim_cur) - 64 : 960;
    const long high = syscall(SYS_fcntl, *fd, F_DUPFD_CLOEXEC, from);
    if (high < 0) return;
    sys_close(fd);
    *fd = static_cast<int>(high);
}

// A wake-up that finds the other side's queue full is not needed.
void sys_notify(int fd)
{
    if (fd >= 0) syscall(SYS_write, fd, &kOne, sizeof(kOne));
}

// Programs wait for edges and need not read: the waker empties a full wait pipe itself.
void notify_program(int fd)
{
    char old[ETA_PAGE];
    if (syscall(SYS_write, fd, &kOne, sizeof(kOne)) >= 0 || errno != EAGAIN) return;
    syscall(SYS_read, fd, old, sizeof(old));
    syscall(SYS_write, fd, &kOne, sizeof(kOne));
}

int map_fd(int fd, size_t size, int prot, uint64_t off, void** out)
{
    long p = syscall(SYS_mmap, nullptr, size, prot, MAP_SHARED, fd, off);
    if (p == -1) return -errno;
    *out = reinterpret_cast<void*>(p);
    return 0;
}

void unmap(void** p, size_t size)
{
    if (*p) syscall(SYS_munmap, *p, size);
    *p = nullptr;
}

// Restores errno: callers sit under libc-shaped functions.
class KeepErrno {
public:
    KeepErrno() : saved_(errno) {}
    ~KeepErrno() { errno = saved_; }

private:
    int saved_;
};

unsigned long ioctl_number(unsigned cmd)
{
    switch (cmd) {
    case ETA_CMD_ATTACH: return ETA_IOC_ATTACH;
    case ETA_CMD_DTI_CREATE: return ETA_IOC_DTI_CREATE;
    case ETA_CMD_LISTEN: return ETA_IOC_LISTEN;
    case ETA_CMD_UNLISTEN: return ETA_IOC_UNLISTEN;
    case ETA_CMD_FW_MAP: return ETA_IOC_FW_MAP;
    case ETA_CMD_FW_INTERRUPT: return ETA_IOC_FW_INTERRUPT;
    default: return ETA_IOC_FW_PORT;
    }
}

union Control {
    cmsghdr align;
    char buf[CMSG_SPACE(4 * sizeof(int))];
};

int send_command(int sock, const eta_msg& m, int send_fd)
{
    Control control = {};
    iovec iov = {const_cast<eta_msg*>(&m), sizeof(m)};
    msghdr msg = {};
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    if (send_fd >= 0) {
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(sizeof(int));
        cmsghdr* cm = CMSG_FIRSTHDR(&msg);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cm), &send_fd, sizeof(int));
    }
    long n;
    do {
        n = syscall(SYS_sendmsg, sock, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

// Takes the descriptors of an answer; `*n_fds` says how many fit and returns how many came.
void take_fds(msghdr* msg, int* fds, int* n_fds)
{
    const int room = n_fds ? *n_fds : 0;
    int got = 0;
    for (cmsghdr* cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
        if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS) continue;
        const size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
            if (got < room) fds[got++] = fd;
            else sys_close(&fd);
        }
    }
    if (n_fds) *n_fds = got;
}

int receive_answer(int sock, eta_msg* m, int* fds, int* n_fds)
{
    Control control;
    iovec iov = {m, sizeof(*m)};
    msghdr msg = {};
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.buf;
    msg.msg_controllen = sizeof(control.buf);
    long n;
    do {
        n = syscall(SYS_recvmsg, sock, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    if (n == 0) return -ECONNRESET;
    take_fds(&msg, fds, n_fds);
    return n == static_cast<long>(sizeof(*m)) ? 0 : -EPROTO;
}

}  // namespace

// A lock without pthread: the word is 0 free, 1 taken, 2 taken and waited for.
void Agent::lock()
{
    int free = 0;
    if (__atomic_compare_exchange_n(&lock_word_, &free, 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&lock_word_, 2, __ATOMIC_ACQUIRE) != 0)
        syscall(SYS_futex, &lock_word_, FUTEX_WAIT_PRIVATE, 2, nullptr, nullptr, 0);
}

void Agent::unlock()
{
    if (__atomic_exchange_n(&lock_word_, 0, __ATOMIC_RELEASE) == 2)
        syscall(SYS_futex, &lock_word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

int Agent::command_socket(unsigned cmd, void* payload, unsigned size, int send_fd, int* fds,
                          int* n_fds)
{
    eta_msg m = {};
    m.cmd = cmd;
    m.size = size;
    memcpy(m.payload, payload, size);
    int ret = send_command(fd_, m, send_fd);
    if (ret == 0) ret = receive_answer(fd_, &m, fds, n_fds);
    if (ret == -EPIPE || ret == -ECONNRESET) return -ECONNRESET;  // the agent died
    if (ret != 0 || m.ret != 0) {
        for (int i = 0; n_fds && i < *n_fds; i++) sys_close(&fds[i]);
        if (n_fds) *n_fds = 0;
        return ret != 0 ? ret : m.ret;
    }
    if (m.size != size) return -EPROTO;
    memcpy(payload, m.payload, size);
    return 0;
}

int Agent::command(unsigned cmd, void* payload, unsigned size, int send_fd, int* fds, int* n_fds)
{
    KeepErrno keep;
    if (fd_ < 0) return -ENOTCONN;
    if (module_) {
        if (n_fds) *n_fds = 0;
        return syscall(SYS_ioctl, fd_, ioctl_number(cmd), payload) < 0 ? -errno : 0;
    }
    int none = 0;
    lock();
    const int ret = command_socket(cmd, payload, size, send_fd, fds, n_fds ? n_fds : &none);
    unlock();
    return ret;
}

int Agent::connect_module(const char* path)
{
    const int fd = sys_open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fd;
    fd_ = fd;
    module_ = true;
    return 0;
}

int Agent::connect_socket(const char* path)
{
    sockaddr_un un = {};
    const size_t len = strlen(path);
    if (len >= sizeof(un.sun_path)) return -ENAMETOOLONG;
    long fd = syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, path, len);
    fd_ = static_cast<int>(fd);
    if (syscall(SYS_connect, fd_, &un, sizeof(un)) < 0) {
        const int err = errno;
        sys_close(&fd_);
        // Nobody serves it: as if it were not there.
        return err == ECONNREFUSED || err == ENOTDIR ? -ENOENT : -err;
    }
    module_ = false;
    return 0;
}

int Agent::map_all(const int* fds, int n_fds)
{
    const unsigned role = attach_.role;
    const int prot = PROT_READ | (role == ETA_ROLE_FW ? PROT_WRITE : 0);
    if (role != ETA_ROLE_APP) {
        if (!module_ && n_fds < 1) return -EPROTO;
        pool_size_ = attach_.pool_size;
        return module_ ? map_fd(fd_, pool_size_, prot, ETA_MAP_OFF(0, ETA_MAP_POOL), &pool_)
                       : map_fd(fds[0], pool_size_, prot, 0, &pool_);
    }
    if (!module_ && n_fds < 4) return -EPROTO;
    ro_size_ = attach_.ro_size;
    rw_size_ = attach_.rw_size;
    const int ret = module_ ? map_fd(fd_, ro_size_, PROT_READ, ETA_MAP_OFF(0, ETA_MAP_RO), &ro_)
                            : map_fd(fds[0], ro_size_, PROT_READ, 0, &ro_);
    if (ret != 0) return ret;
    return module_ ? map_fd(fd_, rw_size_, PROT_READ | PROT_WRITE, ETA_MAP_OFF(0, ETA_MAP_RW), &rw_)
                   : map_fd(fds[1], rw_size_, PROT_READ | PROT_WRITE, 0, &rw_);
}

// Sorts the descriptors of the answer (struct eta_attach says which come) and maps.
int Agent::attach(unsigned role, unsigned proc)
{
    int fds[kMaxFds] = {-1, -1, -1, -1};
    int n_fds = kMaxFds;
    attach_ = {};
    attach_.abi_version = ETA_ABI_VERSION;
    attach_.role = role;
    attach_.proc = proc;
    int ret = command(ETA_CMD_ATTACH, &attach_, sizeof(attach_), -1, fds, &n_fds);
    if (ret != 0) return ret;
    ret = map_all(fds, n_fds);
    if (module_) {
        wait_fd_ = kick_fd_ = fd_;
        return ret;
    }
    if (role == ETA_ROLE_APP) {
        sys_close(&fds[0]);
        sys_close(&fds[1]);
        wait_fd_ = fds[2];
        kick_fd_ = fds[3];
        move_high(&wait_fd_);
        move_high(&kick_fd_);
    } else {
        sys_close(&fds[0]);
        wait_fd_ = fds[1];
        agent_fd_ = fds[2];
    }
    return ret;
}

int Agent::open_at(const char* path, unsigned role, unsigned proc)
{
    KeepErrno keep;
    if (fd_ >= 0) return -EALREADY;
    int ret = strncmp(path, "/dev/", 5) == 0 ? connect_module(path) : connect_socket(path);
    if (ret != 0) return ret;
    if (role == ETA_ROLE_APP) move_high(&fd_);
    ret = attach(role, proc);
    if (ret != 0) close();
    return ret;
}

int Agent::open(unsigned role, unsigned proc)
{
    const char* env = getauxval(AT_SECURE) ? nullptr : getenv("ETA_AGENT");
    if (env && *env) return open_at(env, role, proc);
    const int ret = open_at(ETA_DEV_PATH, role, proc);
    if (ret != -ENOENT && ret != -ENXIO && ret != -ENODEV) return ret;
    return open_at(ETA_SOCKET_DEFAULT, role, proc);
}

void Agent::close()
{
    KeepErrno keep;
    unmap(&ro_, ro_size_);
    unmap(&rw_, rw_size_);
    unmap(&pool_, pool_size_);
    abandon_in_child();
}

void Agent::abandon_in_child()
{
    KeepErrno keep;
    if (!module_) {
        sys_close(&wait_fd_);
        sys_close(&kick_fd_);
        sys_close(&agent_fd_);
    }
    sys_close(&fd_);
    wait_fd_ = kick_fd_ = agent_fd_ = -1;
    ro_ = rw_ = pool_ = nullptr;
    ro_size_ = rw_size_ = pool_size_ = 0;
    attach_ = {};
    module_ = false;
    __atomic_store_n(&lock_word_, 0, __ATOMIC_RELAXED);
}

int Agent::dti_create(unsigned count, unsigned* created, unsigned* first)
{
    eta_dti_create c = {};
    c.count = count;
    const int ret = command(ETA_CMD_DTI_CREATE, &c, sizeof(c), -1, nullptr, nullptr);
    *created = ret == 0 ? c.count : 0;
    *first = c.first;
    return ret;
}

int Agent::listen(int os_fd, unsigned local, unsigned backlog, unsigned* listener)
{
    eta_listen l = {};
    l.os_fd = os_fd;
    l.local = local;
    l.backlog = backlog;
    const int ret = command(ETA_CMD_LISTEN, &l, sizeof(l), os_fd, nullptr, nullptr);
    *listener = ret == 0 ? l.listener : ETA_NONE;
    return ret;
}

int Agent::unlisten(unsigned listener)
{
    eta_unlisten u = {};
    u.listener = listener;
    return command(ETA_CMD_UNLISTEN, &u, sizeof(u), -1, nullptr, nullptr);
}

void Agent::kick()
{
    KeepErrno keep;
    sys_notify(kick_fd_);
}

// Both kinds of descriptor are non-blocking; each read takes one or all pending wake-ups.
void Agent::clear_wait()
{
    KeepErrno keep;
    uint64_t words[64];
    const size_t size = module_ ? sizeof(words[0]) : sizeof(words);
    for (int i = 0; i < kClearRounds; i++) {
        if (syscall(SYS_read, wait_fd_, words, size) <= 0) return;
    }
}

int Agent::fw_map(unsigned region, MappedRegion* out)
{
    KeepErrno keep;
    int fds[kMaxFds] = {-1, -1, -1, -1};
    int n_fds = kMaxFds;
    eta_fw_map m = {};
    m.region = region;
    int ret = command(ETA_CMD_FW_MAP, &m, sizeof(m), -1, fds, &n_fds);
    if (ret != 0) return ret;
    *out = MappedRegion();
    out->ro_size = m.ro_size;
    out->rw_size = m.rw_size;
    void* ro = nullptr;
    void* rw = nullptr;
    const int prot = PROT_READ | PROT_WRITE;
    if (!module_ && n_fds < 3) ret = -EPROTO;
    if (ret == 0)
        ret = module_ ? map_fd(fd_, m.ro_size, prot, ETA_MAP_OFF(region, ETA_MAP_RO), &ro)
                      : map_fd(fds[0], m.ro_size, prot, 0, &ro);
    if (ret == 0)
        ret = module_ ? map_fd(fd_, m.rw_size, prot, ETA_MAP_OFF(region, ETA_MAP_RW), &rw)
                      : map_fd(fds[1], m.rw_size, prot, 0, &rw);
    sys_close(&fds[0]);
    sys_close(&fds[1]);
    out->ro = static_cast<eta_region_ro*>(ro);
    out->rw = static_cast<eta_region_rw*>(rw);
    out->wait = fds[2];
    if (ret != 0) fw_unmap(out);
    return ret;
}

void Agent::fw_unmap(MappedRegion* region)
{
    KeepErrno keep;
    void* ro = region->ro;
    void* rw = region->rw;
    unmap(&ro, region->ro_size);
    unmap(&rw, region->rw_size);
    sys_close(&region->wait);
    *region = MappedRegion();
}

int Agent::interrupt(const unsigned* region, const MappedRegion* const* mapped, unsigned count,
                     bool agent)
{
    KeepErrno keep;
    if (!module_) {
        for (unsigned i = 0; i < count; i++) notify_program(mapped[i]->wait);
        if (agent) sys_notify(agent_fd_);
        return 0;
    }
    do {
        eta_fw_interrupt in = {};
        in.count = count < ETA_INTERRUPT_MAX ? count : ETA_INTERRUPT_MAX;
        in.agent = agent;
        for (unsigned i = 0; i < in.count; i++) in.region[i] = region[i];
        const int ret = command(ETA_CMD_FW_INTERRUPT, &in, sizeof(in), -1, nullptr, nullptr);
        if (ret != 0) return ret;
        region += in.count;
        count -= in.count;
        agent = false;
    } while (count != 0);
    return 0;
}

int Agent::fw_port(const eta_fw_port& port)
{
    eta_fw_port p = port;
    return command(ETA_CMD_FW_PORT, &p, sizeof(p), -1, nullptr, nullptr);
}

}  // namespace eta
