// SPDX-License-Identifier: GPL-2.0-only
/*
 * eta0: a TAP device whose frames travel through the raw packet rings of the pool. The OS owns
 * its address; the accelerator owns the wire. Stays while the agent lives, also when the
 * accelerator is restarted. The accelerator is trusted, but lengths and indices are checked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if_arp.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <eta/ring_ops.h>

#include "agentd.h"

#define TAP_BURST 64u
#define TAP_FRAME_MAX (ETA_RAW_FRAME - (__u32)sizeof(struct eta_raw))
#define TAP_MTU_MAX (TAP_FRAME_MAX - 14u - 4u) /* Ethernet header, one VLAN tag */

static struct eta_raw *slot(const struct agentd *a, uint64_t ring_off, uint32_t index)
{
	return (struct eta_raw *)(a->pool + ring_off +
				  (uint64_t)(index & (ETA_RAW_DEPTH - 1)) * ETA_RAW_FRAME);
}

/* OS -> accelerator. Reads straight into the ring; without an accelerator frames are dropped. */
static void pump_out(struct agentd *a)
{
	struct eta_proc *p = &a->core.proc[0];
	uint32_t prod = p->raw_tx_prod;
	uint32_t room = eta_ring_room(prod, &p->raw_tx_cons, ETA_RAW_DEPTH);
	uint32_t n;

	for (n = 0; n < TAP_BURST && n < room; n++) {
		struct eta_raw *r = slot(a, a->core.hdr->raw_tx_off, prod);
		ssize_t len = read(a->tap.source.fd, r + 1, TAP_FRAME_MAX);

		if (len <= 0)
			break;
		if (!a->core.fw_mask) {
			a->tap.dropped++;
			continue;
		}
		r->len = (__u32)len;
		r->resv = 0;
		prod++;
	}
	if (prod != p->raw_tx_prod) {
		eta_ring_publish(&p->raw_tx_prod, prod);
		eta_full_barrier(); /* F, matches E of the accelerator going to sleep */
		if (eta_load_once(&p->asleep))
			a->core.ops->wake_fw(a->core.host, 0);
	}
	if (a->tap.stalled != !room) {
		a->tap.stalled = !room;
		loop_mod(a, &a->tap.source, room ? EPOLLIN : 0);
	}
}

/* Accelerator -> OS. Returns non-zero if frames are left. */
static int pump_in(struct agentd *a)
{
	struct eta_proc *p = &a->core.proc[0];
	uint32_t cons = p->raw_rx_cons;
	uint32_t ready = eta_ring_ready(&p->raw_rx_prod, cons);
	uint32_t n;

	if (ready > ETA_RAW_DEPTH) { /* nonsense: start afresh behind it */
		eta_ring_release(&p->raw_rx_cons, cons + ready);
		return 0;
	}
	for (n = 0; n < TAP_BURST && n < ready; n++, cons++) {
		const struct eta_raw *r = slot(a, a->core.hdr->raw_rx_off, cons);
		uint32_t len = eta_load_once(&r->len);

		/* An interface that is down refuses frames: they are lost, as on any wire. */
		if (len < 14 || len > TAP_FRAME_MAX || a->tap.source.fd < 0 ||
		    write(a->tap.source.fd, r + 1, len) != (ssize_t)len)
			a->tap.dropped++;
	}
	if (n)
		eta_ring_release(&p->raw_rx_cons, cons);
	return n < ready;
}

int tap_pump(struct agentd *a)
{
	int more = pump_in(a);

	if (a->tap.stalled)
		pump_out(a);
	return more;
}

int tap_arm(struct agentd *a)
{
	struct eta_proc *p = &a->core.proc[0];

	eta_store_once(&p->raw_rx_armed, 1);
	eta_full_barrier(); /* E, matches F of the accelerator after publishing */
	return eta_ring_ready(&p->raw_rx_prod, p->raw_rx_cons) != 0 ||
	       eta_ring_ready(&p->to_agent_prod, p->to_agent_cons) != 0;
}

void tap_disarm(struct agentd *a)
{
	eta_store_once(&a->core.proc[0].raw_rx_armed, 0);
}

static void tap_ready(struct agentd *a, struct source *s, uint32_t events)
{
	(void)s;
	(void)events;
	pump_out(a);
}

static int configure(struct tap *t, const struct eta_fw_port *port)
{
	uint32_t mtu = port->mtu < TAP_MTU_MAX ? port->mtu : TAP_MTU_MAX;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr;
	int ret = 0;

	if (s < 0)
		return -errno;
	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, t->name, sizeof(ifr.ifr_name));
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, port->mac, sizeof(port->mac));
	if (ioctl(s, SIOCSIFHWADDR, &ifr))
		ret = -errno;
	ifr.ifr_mtu = (int)mtu;
	if (!ret && ioctl(s, SIOCSIFMTU, &ifr))
		ret = -errno;
	if (!ret && ioctl(s, SIOCGIFINDEX, &ifr))
		ret = -errno;
	if (!ret)
		t->ifindex = ifr.ifr_ifindex;
	close(s);
	return ret;
}

static int create(struct agentd *a, const char *name)
{
	struct ifreq ifr;
	int fd, ret;

	if (if_nametoindex(name)) {
		log_line(a, "interface %s exists already and is not ours", name);
		return -EEXIST;
	}
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		log_line(a, "cannot create %s: /dev/net/tun: %s", name, strerror(errno));
		return ret;
	}
	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, name, strlen(name));
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		ret = -errno;
		log_line(a, "cannot create %s: %s%s", name, strerror(errno),
			 errno == EPERM ? " (CAP_NET_ADMIN is needed)" : "");
		close(fd);
		return ret;
	}
	memset(&a->tap, 0, sizeof(a->tap));
	memcpy(a->tap.name, ifr.ifr_name, sizeof(a->tap.name));
	a->tap.source.fd = fd;
	a->tap.source.ready = tap_ready;
	return loop_add(a, &a->tap.source, EPOLLIN);
}

int tap_up(struct agentd *a, const struct eta_fw_port *port)
{
	int ret;

	if (a->tap.source.fd >= 0 && strcmp(a->tap.name, port->ifname))
		tap_down(a);
	if (a->tap.source.fd < 0) {
		ret = create(a, port->ifname);
		if (ret)
			return ret;
	}
	ret = configure(&a->tap, port);
	if (ret) {
		log_line(a, "cannot configure %s: %s", a->tap.name, strerror(-ret));
		tap_down(a);
		return ret;
	}
	a->mirror.dirty = 1;
	return 0;
}

void tap_down(struct agentd *a)
{
	if (a->tap.source.fd < 0)
		return;
	loop_del(a, &a->tap.source);
	close(a->tap.source.fd);
	a->tap.source.fd = -1;
	a->tap.ifindex = 0;
	a->tap.stalled = 0;
	a->mirror.dirty = 1;
}
