// SPDX-License-Identifier: MIT
// XDP program of the af_xdp port: load, fill in the socket, attach. See xdp_attach.h.
#include "port/xdp_attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

#include "bpf/embed.h"

namespace eta::fw {
namespace {

int quiet(enum libbpf_print_level, const char*, va_list) { return 0; }

std::string load_error(const std::string& ifname, int err)
{
    std::string head = "af_xdp " + ifname + ": cannot load the XDP program: ";
    if (err == EPERM || err == EACCES)
        return head + "no privilege (CAP_NET_ADMIN and CAP_BPF are needed)";
    if (err == ENOSYS) return head + "kernel without BPF";
    return head + std::strerror(err);
}

// Native mode where the driver has it, else generic.
int create_link(int prog_fd, int ifindex, int* err)
{
    LIBBPF_OPTS(bpf_link_create_opts, opts);
    int fd = bpf_link_create(prog_fd, ifindex, BPF_XDP, &opts);
    if (fd >= 0) return fd;
    *err = errno;
    if (*err == EBUSY || *err == EEXIST || *err == EPERM) return -1;
    opts.flags = XDP_FLAGS_SKB_MODE;
    fd = bpf_link_create(prog_fd, ifindex, BPF_XDP, &opts);
    *err = errno;
    return fd;
}

int attach_object(bpf_object* obj, const std::string& ifname, uint32_t queue, int xsk_fd,
                  std::string* err)
{
    bpf_map* map = bpf_object__find_map_by_name(obj, "eta_xsks");
    bpf_program* prog = bpf_object__find_program_by_name(obj, "eta_xsk_redirect");
    bpf_map__set_max_entries(map, queue + 1);
    if (bpf_object__load(obj) != 0) {
        *err = load_error(ifname, errno);
        return -1;
    }
    if (bpf_map_update_elem(bpf_map__fd(map), &queue, &xsk_fd, BPF_ANY) != 0) {
        *err = "af_xdp " + ifname + ": cannot enter the socket: " + std::strerror(errno);
        return -1;
    }
    int ifindex = static_cast<int>(if_nametoindex(ifname.c_str()));
    int code = 0;
    int fd = create_link(bpf_program__fd(prog), ifindex, &code);
    if (fd >= 0) return fd;
    if (code == EBUSY || code == EEXIST)
        *err = "af_xdp " + ifname + ": interface busy: another XDP program is attached to it";
    else *err = "af_xdp " + ifname + ": cannot attach the XDP program: " + std::strerror(code);
    return -1;
}

}  // namespace

int xdp_attach(const std::string& ifname, uint32_t queue, int xsk_fd, std::string* err)
{
    libbpf_set_print(quiet);
    size_t bytes = static_cast<size_t>(eta_xsk_redirect_end - eta_xsk_redirect_begin);
    bpf_object* obj = bpf_object__open_mem(eta_xsk_redirect_begin, bytes, nullptr);
    if (!obj) {
        *err = load_error(ifname, errno);
        return -1;
    }
    int fd = attach_object(obj, ifname, queue, xsk_fd, err);
    bpf_object__close(obj);  // the link keeps the program, the program keeps the map
    return fd;
}

}  // namespace eta::fw
