// SPDX-License-Identifier: MIT
// Names, options, fcntl and ioctl of sockets. Options of a new or listening socket go to the OS
// socket, whose errors count, and are remembered; those of a connection are answered here, and what
// the accelerator has no use for goes to the unused OS socket behind the descriptor, so that an
// unknown option gets the errno it would get from Linux.
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <linux/sockios.h>

#include <cerrno>
#include <cstring>

#include "real.h"
#include "sock.h"

namespace eta::al {

namespace {

constexpr int kDefaultRcvbuf = 131072;
constexpr int kDefaultSndbuf = 87040;

int put_int(int v, void* val, socklen_t* len)
{
    if (*len > sizeof v) {
        *len = sizeof v;
    }
    std::memcpy(val, &v, *len);
    return 0;
}

int put_bytes(const void* from, size_t size, void* val, socklen_t* len)
{
    if (*len > size) {
        *len = static_cast<socklen_t>(size);
    }
    std::memcpy(val, from, *len);
    return 0;
}

int put_addr(const Sock* s, const sockaddr_in& a, sockaddr* addr, socklen_t* len)
{
    if (addr == nullptr || len == nullptr) {
        return -EFAULT;
    }
    if (s->flags & kV6) {
        sockaddr_in6 six = {};
        six.sin6_family = AF_INET6;
        six.sin6_port = a.sin_port;
        map_v4(six.sin6_addr.s6_addr, a.sin_addr.s_addr);
        std::memcpy(addr, &six, *len < sizeof six ? *len : sizeof six);
        *len = sizeof six;
        return 0;
    }
    std::memcpy(addr, &a, *len < sizeof a ? *len : sizeof a);
    *len = sizeof a;
    return 0;
}

uint32_t timeo_ms(const timeval& tv)
{
    const uint64_t ms =
        static_cast<uint64_t>(tv.tv_sec) * 1000 + (static_cast<uint64_t>(tv.tv_usec) + 999) / 1000;
    return ms > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(ms);
}

void set_flag(Sock* s, uint16_t flag, bool on)
{
    s->flags = static_cast<uint16_t>(on ? s->flags | flag : s->flags & ~flag);
}

// Remembers what the accelerator can use. True: it was one of those.
bool remember(Sock* s, int level, int opt, const void* val, socklen_t len)
{
    int v = 0;
    std::memcpy(&v, val, len < sizeof v ? len : sizeof v);
    if (level == SOL_SOCKET && (opt == SO_RCVTIMEO || opt == SO_SNDTIMEO) &&
        len >= sizeof(timeval)) {
        timeval tv;
        std::memcpy(&tv, val, sizeof tv);
        (opt == SO_RCVTIMEO ? s->rcv_timeo_ms : s->snd_timeo_ms) = timeo_ms(tv);
        return true;
    }
    if (level == SOL_SOCKET && opt == SO_LINGER && len >= sizeof(linger)) {
        linger l;
        std::memcpy(&l, val, sizeof l);
        set_flag(s, kLingerOn, l.l_onoff != 0);
        s->linger_s = static_cast<uint32_t>(l.l_linger);
        return true;
    }
    if (len < sizeof v) {
        return false;
    }
    if (level == SOL_SOCKET) {
        switch (opt) {
        case SO_KEEPALIVE:
            set_flag(s, kKeepalive, v != 0);
            return true;
        case SO_REUSEADDR:
            set_flag(s, kReuse, v != 0);
            return true;
        case SO_SNDBUF:
            s->sndbuf = v;
            return true;
        case SO_RCVBUF:
            s->rcvbuf = v;
            return true;
        default:
            return false;
        }
    }
    if (level == IPPROTO_TCP && (opt == TCP_NODELAY || opt == TCP_CORK)) {
        set_flag(s, opt == TCP_NODELAY ? kNodelay : kCork, v != 0);
        return true;
    }
    return false;
}

// Tells the DTI what was remembered. Held.
void apply(Sock* s)
{
    if (s->region == nullptr) {
        return;
    }
    AppRegion* app = s->region->app;
    const uint32_t on = ((s->flags & kNodelay) ? ETA_CTL_NODELAY : 0) |
                        ((s->flags & kKeepalive) ? ETA_CTL_KEEPALIVE : 0) |
                        ((s->flags & kCork) ? ETA_CTL_CORK : 0);
    constexpr uint32_t kAll = ETA_CTL_NODELAY | ETA_CTL_KEEPALIVE | ETA_CTL_CORK;
    app->set_ctl(s->dti, on, kAll & ~on);
    if (s->sndbuf > 0) {
        app->set_snd_limit(s->dti, static_cast<uint32_t>(s->sndbuf) * 2);
    }
}

int tcp_state_of(Sock* s)
{
    const eta_dti_fw& f = s->region->app->fw(s->dti);
    const uint32_t st = s->region->app->state(s->dti);
    if (st == ETA_DTI_CONNECTING) {
        return TCP_SYN_SENT;
    }
    if (st != ETA_DTI_ESTABLISHED) {
        return TCP_CLOSE;
    }
    const bool fin_in = (f.flags & ETA_DTI_F_RX_FIN) != 0;
    const bool fin_out = (s->region->app->flags(s->dti) & AppRegion::kWrShut) != 0;
    if (fin_in) {
        return fin_out ? TCP_LAST_ACK : TCP_CLOSE_WAIT;
    }
    return fin_out ? ((f.flags & ETA_DTI_F_TX_FIN) ? TCP_FIN_WAIT2 : TCP_FIN_WAIT1)
                   : TCP_ESTABLISHED;
}

int get_tcp_info(Sock* s, void* val, socklen_t* len)
{
    const eta_dti_fw& f = s->region->app->fw(s->dti);
    tcp_info ti = {};
    const uint32_t mss = f.mss != 0 ? f.mss : 536;
    ti.tcpi_state = static_cast<uint8_t>(tcp_state_of(s));
    ti.tcpi_options = TCPI_OPT_TIMESTAMPS | TCPI_OPT_WSCALE;
    ti.tcpi_snd_mss = mss;
    ti.tcpi_rcv_mss = mss;
    ti.tcpi_pmtu = mss + 52;
    ti.tcpi_rtt = f.srtt_us;
    ti.tcpi_rcv_rtt = f.srtt_us;
    ti.tcpi_snd_cwnd = f.cwnd / mss;
    ti.tcpi_snd_ssthresh = INT32_MAX;
    ti.tcpi_total_retrans = f.retrans;
    ti.tcpi_unacked = static_cast<uint32_t>((s->region->app->send_pending(s->dti) + mss - 1) / mss);
    ti.tcpi_advmss = mss;
    return put_bytes(&ti, sizeof ti, val, len);
}

int get_error(Sock* s)
{
    if (s->state == SockState::kConnecting) {
        sock_finish_connect(s);
        if (s->state != SockState::kConn && s->state != SockState::kConnecting) {
            return 0;
        }
    }
    if (s->flags & kDead) {
        const int err = s->err;
        s->err = 0;
        return err;
    }
    return s->region->app->take_error(s->dti);
}

// -1: not one of ours.
int get_socket_level(Sock* s, int opt, void* val, socklen_t* len)
{
    switch (opt) {
    case SO_ERROR:
        return put_int(get_error(s), val, len);
    case SO_TYPE:
        return put_int(SOCK_STREAM, val, len);
    case SO_DOMAIN:
        return put_int((s->flags & kV6) ? AF_INET6 : AF_INET, val, len);
    case SO_PROTOCOL:
        return put_int(IPPROTO_TCP, val, len);
    case SO_ACCEPTCONN:
        return put_int(0, val, len);
    case SO_KEEPALIVE:
        return put_int((s->flags & kKeepalive) != 0, val, len);
    case SO_REUSEADDR:
        return put_int((s->flags & kReuse) != 0, val, len);
    case SO_SNDBUF:
        return put_int(s->sndbuf != 0 ? s->sndbuf * 2 : kDefaultSndbuf, val, len);
    case SO_RCVBUF:
        return put_int(s->rcvbuf != 0 ? s->rcvbuf * 2 : kDefaultRcvbuf, val, len);
    case SO_LINGER: {
        const linger l = {(s->flags & kLingerOn) != 0, static_cast<int>(s->linger_s)};
        return put_bytes(&l, sizeof l, val, len);
    }
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: {
        const uint32_t ms = opt == SO_RCVTIMEO ? s->rcv_timeo_ms : s->snd_timeo_ms;
        const timeval tv = {static_cast<time_t>(ms / 1000), static_cast<int>(ms % 1000) * 1000};
        return put_bytes(&tv, sizeof tv, val, len);
    }
    default:
        return -1;
    }
}

int get_flags(const Sock* s)
{
    return O_RDWR | ((s->flags & kNonblock) ? O_NONBLOCK : 0);
}

}  // namespace

int eta_name_of(Sock* s, int fd, bool peer, sockaddr* addr, socklen_t* len)
{
    (void)fd;
    sockaddr_in a = {};
    a.sin_family = AF_INET;
    if (s->region == nullptr) {
        return -ENOTCONN;
    }
    const eta_dti_fw& f = s->region->app->fw(s->dti);
    const uint32_t st = s->region->app->state(s->dti);
    if (st == ETA_DTI_CONNECTING || (st == ETA_DTI_CLOSED && f.rport == 0)) {
        if (peer) {
            return -ENOTCONN;
        }
        a = s->local;
        a.sin_family = AF_INET;
        return put_addr(s, a, addr, len);
    }
    if (peer && st == ETA_DTI_CLOSED) {
        return -ENOTCONN;
    }
    a.sin_port = peer ? f.rport : f.lport;
    a.sin_addr.s_addr = unmap_v4(peer ? f.raddr : f.laddr);
    return put_addr(s, a, addr, len);
}

int eta_getsockopt(Sock* s, int fd, int level, int opt, void* val, socklen_t* len)
{
    if (val == nullptr || len == nullptr) {
        return -EFAULT;
    }
    {
        Guard g(s->region);
        if (s->region == nullptr) {
            return -EBADF;
        }
        if (level == SOL_SOCKET) {
            const int r = get_socket_level(s, opt, val, len);
            if (r >= 0) {
                return r;
            }
        }
        if (level == IPPROTO_TCP) {
            switch (opt) {
            case TCP_NODELAY:
                return put_int((s->flags & kNodelay) != 0, val, len);
            case TCP_CORK:
                return put_int((s->flags & kCork) != 0, val, len);
            case TCP_MAXSEG:
                return put_int(static_cast<int>(s->region->app->fw(s->dti).mss), val, len);
            case TCP_INFO:
                return get_tcp_info(s, val, len);
            default:
                break;
            }
        }
    }
    const int r = static_cast<int>(os_result(real().getsockopt(fd, level, opt, val, len)));
    if (r < 0) {
        why_count(Reason::unknown_option);
    }
    return r;
}

int eta_setsockopt(Sock* s, int fd, int level, int opt, const void* val, socklen_t len)
{
    if (val == nullptr && len != 0) {
        return -EFAULT;
    }
    if (level == SOL_SOCKET && opt == SO_ZEROCOPY) {
        return -EOPNOTSUPP;  // completions could not be reported: the program copies instead
    }
    {
        Guard g(s->region);
        if (val != nullptr && remember(s, level, opt, val, len)) {
            apply(s);
            return 0;
        }
    }
    const int r = static_cast<int>(os_result(real().setsockopt(fd, level, opt, val, len)));
    if (r < 0) {
        why_count(Reason::unknown_option);
    }
    return r;
}

int new_setsockopt(Sock* s, int fd, int level, int opt, const void* val, socklen_t len)
{
    const int r = real().setsockopt(fd, level, opt, val, len);
    if (r != 0) {
        return -errno;
    }
    Guard g(s->region);
    if (val != nullptr && remember(s, level, opt, val, len)) {
        apply(s);
    }
    return 0;
}

int eta_fcntl(Sock* s, int fd, int cmd, long arg)
{
    switch (cmd) {
    case F_GETFL:
        return get_flags(s);
    case F_SETFL:
        set_flag(s, kNonblock, (arg & O_NONBLOCK) != 0);
        if (s->flags & kReal) {  // it may yet become the OS's (ETA_ERR_USE_OS)
            real().fcntl(fd, cmd, arg);
        }
        return 0;
    default:
        return static_cast<int>(os_result(real().fcntl(fd, cmd, arg)));
    }
}

int new_fcntl(Sock* s, int fd, int cmd, long arg)
{
    if (cmd == F_GETFL && s->state == SockState::kListening) {
        return get_flags(s);  // the OS socket itself is always non-blocking
    }
    if (cmd == F_SETFL) {
        const long os_arg = s->state == SockState::kListening ? arg | O_NONBLOCK : arg;
        if (real().fcntl(fd, cmd, os_arg) != 0) {
            return -errno;
        }
        set_flag(s, kNonblock, (arg & O_NONBLOCK) != 0);
        return 0;
    }
    return static_cast<int>(os_result(real().fcntl(fd, cmd, arg)));
}

int eta_ioctl(Sock* s, int fd, unsigned long cmd, void* arg)
{
    switch (cmd) {
    case FIONBIO:
        set_flag(s, kNonblock, *static_cast<int*>(arg) != 0);
        if (s->flags & kReal) {
            real().ioctl(fd, cmd, arg);
        }
        return 0;
    case FIONREAD: {
        Guard g(s->region);
        const bool live = s->state == SockState::kConn && !(s->flags & kDead);
        *static_cast<int*>(arg) = live ? static_cast<int>(s->region->app->recv_ready(s->dti)) : 0;
        return 0;
    }
    case SIOCOUTQ: {
        Guard g(s->region);
        const bool live = s->state == SockState::kConn && !(s->flags & kDead);
        *static_cast<int*>(arg) = live ? static_cast<int>(s->region->app->send_pending(s->dti)) : 0;
        return 0;
    }
    case SIOCATMARK:
        *static_cast<int*>(arg) = 0;
        return 0;
    default:
        return static_cast<int>(os_result(real().ioctl(fd, cmd, arg)));
    }
}

int new_ioctl(Sock* s, int fd, unsigned long cmd, void* arg)
{
    if (cmd == FIONBIO) {
        set_flag(s, kNonblock, *static_cast<int*>(arg) != 0);
        if (s->state == SockState::kListening) {
            return 0;
        }
    }
    return static_cast<int>(os_result(real().ioctl(fd, cmd, arg)));
}

}  // namespace eta::al
