// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the core asks of its host, in terms of files and sockets.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agentd.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static int op_region_create(void *host, __u32 region, const struct eta_region_map *map,
			    struct eta_client *client, struct eta_region_ro **ro)
{
	struct agentd *a = host;
	int ret = memory_region_create(&a->region[region], map);

	(void)client;
	if (!ret)
		*ro = a->region[region].page;
	return ret;
}

static void op_region_destroy(void *host, __u32 region)
{
	struct agentd *a = host;

	memory_region_destroy(&a->region[region]);
}

/* File calls instead of a mapping: the objects are large and this is rare. */
static int op_ro_write(void *host, __u32 region, __u64 off, const void *data, __u32 len)
{
	struct agentd *a = host;
	ssize_t n = pwrite(a->region[region].ro, data, len, (off_t)off);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

static int op_ro_read(void *host, __u32 region, __u64 off, void *data, __u32 len)
{
	struct agentd *a = host;
	ssize_t n = pread(a->region[region].ro, data, len, (off_t)off);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

static void op_ctx_clear(void *host, __u32 ctx)
{
	struct agentd *a = host;
	struct eta_ctx *table = (struct eta_ctx *)(a->pool + a->core.hdr->ctx_off);
	__u64 *word = (__u64 *)&table[ctx];
	size_t i;

	/* Only written if it was: the table is sparse. */
	for (i = 0; i < sizeof(*table) / sizeof(*word); i++) {
		if (word[i])
			word[i] = 0;
	}
}

static int wake(int fd)
{
	static const uint64_t one = 1;

	return write(fd, &one, sizeof(one)) < 0 ? -errno : 0;
}

static void op_wake_region(void *host, __u32 region)
{
	struct agentd *a = host;

	char old[ETA_PAGE];
	int fd = a->region[region].wait_w;

	/* Programs wait for edges and need not read: a full pipe is emptied here. */
	if (wake(fd) == -EAGAIN && read(fd, old, sizeof(old)) > 0)
		wake(fd);
}

static void op_wake_fw(void *host, __u32 proc)
{
	struct agentd *a = host;

	(void)proc;
	wake(a->kick_tx);
}

static void op_agent_interrupt(void *host, __u32 proc)
{
	struct agentd *a = host;

	(void)proc;
	wake(a->irq.fd);
}

static int int_option(int fd, int name, int *value)
{
	socklen_t len = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, name, value, &len) ? -errno : 0;
}

static int same_netns(const struct agentd *a, int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return !getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) &&
	       cookie == a->netns_cookie;
}

static int socket_address(int fd, struct eta_listen_addr *out)
{
	struct sockaddr_storage ss;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&ss;
	socklen_t len = sizeof(ss);
	int v6only = 0;

	if (getsockname(fd, (struct sockaddr *)&ss, &len))
		return -errno;
	out->family = (__u8)ss.ss_family;
	if (ss.ss_family == AF_INET) {
		out->port = in->sin_port;
		if (in->sin_addr.s_addr != htonl(INADDR_ANY))
			eta_addr_from_v4(out->addr, in->sin_addr.s_addr);
		return 0;
	}
	if (ss.ss_family != AF_INET6)
		return -EPROTONOSUPPORT;
	out->port = in6->sin6_port;
	memcpy(out->addr, &in6->sin6_addr, ETA_ADDR_LEN);
	len = sizeof(v6only);
	if (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &len))
		return -errno;
	out->v6only = v6only != 0;
	return 0;
}

static int op_listen_check(void *host, struct eta_client *client, __s32 os_fd,
			   struct eta_listen_addr *out)
{
	const struct agentd *a = host;
	int type, protocol, listening;
	int ret;

	(void)client;
	ret = int_option(os_fd, SO_TYPE, &type);
	if (ret)
		return -ENOTSOCK;
	if (int_option(os_fd, SO_PROTOCOL, &protocol) || type != SOCK_STREAM ||
	    protocol != IPPROTO_TCP)
		return -EPROTONOSUPPORT;
	if (!same_netns(a, os_fd))
		return -EXDEV;
	if (int_option(os_fd, SO_ACCEPTCONN, &listening) || !listening)
		return -EDESTADDRREQ;
	return socket_address(os_fd, out);
}

static int op_port_up(void *host, __u32 proc, const struct eta_fw_port *port)
{
	struct agentd *a = host;

	(void)proc;
	return tap_up(a, port);
}

static void op_fw_changed(void *host, __u32 proc, int up)
{
	struct agentd *a = host;

	if (up)
		log_line(a, "accelerator on processor %u attached (pid %u)", proc,
			 a->core.proc[proc].pid);
	else
		log_line(a, "accelerator on processor %u is gone", proc);
}

static void op_neigh_wanted(void *host, const __u8 *addr)
{
	mirror_neigh_wanted(host, addr);
}

const struct eta_core_ops agentd_ops = {
	.region_create = op_region_create,
	.region_destroy = op_region_destroy,
	.ro_write = op_ro_write,
	.ro_read = op_ro_read,
	.ctx_clear = op_ctx_clear,
	.wake_region = op_wake_region,
	.wake_fw = op_wake_fw,
	.agent_interrupt = op_agent_interrupt,
	.listen_check = op_listen_check,
	.port_up = op_port_up,
	.fw_changed = op_fw_changed,
	.neigh_wanted = op_neigh_wanted,
};

int host_init(struct agentd *a)
{
	struct eta_pool_hdr hdr;
	uint64_t epoch = 0;
	void *mem;
	int ret = eta_pool_layout(&a->limits, &hdr);

	if (ret)
		return ret;
	a->pool_fd = memory_create("eta-pool", hdr.size);
	if (a->pool_fd < 0)
		return a->pool_fd;
	a->pool = mmap(NULL, hdr.size, PROT_READ | PROT_WRITE, MAP_SHARED, a->pool_fd, 0);
	if (a->pool == MAP_FAILED)
		return -errno;
	mem = calloc(1, eta_core_mem_size(&a->limits));
	a->region = calloc(a->limits.n_regions, sizeof(*a->region));
	if (!mem || !a->region)
		return -ENOMEM;
	if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
		return -EIO;
	return eta_core_init(&a->core, &a->limits, a->pool, mem, epoch, &agentd_ops, a);
}

void host_fini(struct agentd *a)
{
	uint64_t size = a->core.hdr->size;

	free(a->core.ctx_next); /* start of the core's private memory */
	free(a->region);
	munmap(a->pool, size);
	close(a->pool_fd);
}
