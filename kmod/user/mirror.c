// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mirror of the OS's tables by rtnetlink (E13): addresses of eta0 and the loopback interface,
 * IPv4 routes of the main table (those not through eta0 marked so), neighbours on eta0. Any
 * change leads to a fresh dump, filtered by the kernel, so that a lost notification costs nothing
 * but time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "agentd.h"

#define NUD_USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

struct request {
	struct nlmsghdr nlh;
	union {
		struct rtgenmsg gen;
		struct ifaddrmsg addr;
		struct rtmsg route;
		struct ndmsg neigh;
	} u;
	char attrs[64];
};

typedef void (*message_fn)(struct agentd *a, const struct nlmsghdr *nlh);

static void begin(struct agentd *a, struct request *r, int type, int flags, size_t body)
{
	memset(r, 0, sizeof(*r));
	r->nlh.nlmsg_len = NLMSG_LENGTH(body);
	r->nlh.nlmsg_type = (__u16)type;
	r->nlh.nlmsg_flags = (__u16)(NLM_F_REQUEST | flags);
	r->nlh.nlmsg_seq = ++a->mirror.seq;
}

static void put_attr(struct request *r, int type, const void *data, size_t len)
{
	struct rtattr *rta = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->nlh.nlmsg_len));

	rta->rta_type = (unsigned short)type;
	rta->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(rta), data, len);
	r->nlh.nlmsg_len = (__u32)(NLMSG_ALIGN(r->nlh.nlmsg_len) + RTA_SPACE(len));
}

/* One datagram of the answer. 1: go on; 0: complete; -errno. */
static int take_answer(struct agentd *a, const char *buf, ssize_t n, message_fn fn)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;

	for (; NLMSG_OK(nlh, (size_t)n); nlh = NLMSG_NEXT(nlh, n)) {
		if (nlh->nlmsg_seq != a->mirror.seq)
			continue;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return 0;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(nlh))->error;
		if (fn)
			fn(a, nlh);
	}
	return 1;
}

/* Sends a request and hands every message of the answer to fn. 0 or -errno. */
static int transact(struct agentd *a, struct request *r, message_fn fn)
{
	static char buf[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n;
	int ret;

	if (send(a->mirror.cmd, r, r->nlh.nlmsg_len, 0) < 0)
		return -errno;
	do {
		n = recv(a->mirror.cmd, buf, sizeof(buf), 0);
		if (n < 0)
			return -errno;
		ret = take_answer(a, buf, n, fn);
	} while (ret > 0);
	return ret;
}

/* Walks attributes into a table indexed by type. */
static void parse(const struct rtattr *rta, int len, const struct rtattr **tb, unsigned int max)
{
	memset(tb, 0, (max + 1) * sizeof(*tb));
	for (; RTA_OK(rta, len); rta = RTA_NEXT(rta, len)) {
		unsigned int type = rta->rta_type & NLA_TYPE_MASK;

		if (type <= max)
			tb[type] = rta;
	}
}

static uint32_t u32_of(const struct rtattr *rta)
{
	uint32_t v = 0;

	if (rta && RTA_PAYLOAD(rta) >= sizeof(v))
		memcpy(&v, RTA_DATA(rta), sizeof(v));
	return v;
}

static int v4_of(const struct rtattr *rta, __u8 *out)
{
	uint32_t v4;

	if (!rta || RTA_PAYLOAD(rta) != sizeof(v4))
		return 0;
	memcpy(&v4, RTA_DATA(rta), sizeof(v4));
	eta_addr_from_v4(out, v4);
	return 1;
}

static void note_full(struct agentd *a, int ret, const char *what)
{
	if (ret && !a->mirror.full_logged) {
		log_line(a, "more %s than the table holds; the rest is left to the OS stack", what);
		a->mirror.full_logged = 1;
	}
}

static void on_addr(struct agentd *a, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *m = NLMSG_DATA(nlh);
	const struct rtattr *tb[IFA_MAX + 1];
	struct eta_addr e = { .valid = 1 };
	int lo = m->ifa_index == if_nametoindex("lo");

	if (nlh->nlmsg_type != RTM_NEWADDR || m->ifa_family != AF_INET ||
	    (!lo && (int)m->ifa_index != a->tap.ifindex))
		return;
	parse(IFA_RTA(m), (int)IFA_PAYLOAD(nlh), tb, IFA_MAX);
	if (!v4_of(tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], e.addr))
		return;
	e.plen = 96u + m->ifa_prefixlen;
	e.on_lo = lo;
	note_full(a, eta_tables_set_addr(&a->core, &e), "addresses");
}

static void on_route(struct agentd *a, const struct nlmsghdr *nlh)
{
	const struct rtmsg *m = NLMSG_DATA(nlh);
	const struct rtattr *tb[RTA_MAX + 1];
	const struct rtattr *mx[RTAX_MAX + 1];
	struct eta_route e = { .valid = ETA_ROUTE_PORT };

	if (nlh->nlmsg_type != RTM_NEWROUTE || m->rtm_family != AF_INET ||
	    m->rtm_type != RTN_UNICAST || (m->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)))
		return;
	parse(RTM_RTA(m), (int)RTM_PAYLOAD(nlh), tb, RTA_MAX);
	if ((tb[RTA_TABLE] ? u32_of(tb[RTA_TABLE]) : m->rtm_table) != RT_TABLE_MAIN)
		return;
	if ((int)u32_of(tb[RTA_OIF]) != a->tap.ifindex)
		e.valid = ETA_ROUTE_ELSEWHERE;
	if (!v4_of(tb[RTA_DST], e.dst))
		eta_addr_from_v4(e.dst, 0);
	(void)v4_of(tb[RTA_GATEWAY], e.gw);
	(void)v4_of(tb[RTA_PREFSRC], e.src);
	e.plen = 96u + m->rtm_dst_len;
	e.metric = u32_of(tb[RTA_PRIORITY]);
	if (tb[RTA_METRICS]) {
		parse(RTA_DATA(tb[RTA_METRICS]), (int)RTA_PAYLOAD(tb[RTA_METRICS]), mx, RTAX_MAX);
		e.mtu = u32_of(mx[RTAX_MTU]);
	}
	note_full(a, eta_tables_set_route(&a->core, &e), "routes");
}

static int is_wanted(const struct mirror *m, const __u8 *addr)
{
	uint32_t i;

	for (i = 0; i < AGENTD_NEIGH_WANTED && i < m->n_wanted; i++) {
		if (!memcmp(m->wanted[i], addr, ETA_ADDR_LEN))
			return 1;
	}
	return 0;
}

/* Entries to look at again after the dump: a request inside a dump would disturb it. */
static struct {
	__u8 addr[AGENTD_NEIGH_WANTED][ETA_ADDR_LEN];
	unsigned int n;
} stale;

static void on_neigh(struct agentd *a, const struct nlmsghdr *nlh)
{
	const struct ndmsg *m = NLMSG_DATA(nlh);
	const struct rtattr *tb[NDA_MAX + 1];
	struct eta_neigh e = { .valid = 1 };
	const struct rtattr *first =
		(const struct rtattr *)((const char *)m + NLMSG_ALIGN(sizeof(*m)));

	if (nlh->nlmsg_type != RTM_NEWNEIGH || m->ndm_family != AF_INET ||
	    m->ndm_ifindex != a->tap.ifindex || !(m->ndm_state & NUD_USABLE))
		return;
	parse(first, (int)NLMSG_PAYLOAD(nlh, sizeof(*m)), tb, NDA_MAX);
	if (!v4_of(tb[NDA_DST], e.addr) || !tb[NDA_LLADDR] ||
	    RTA_PAYLOAD(tb[NDA_LLADDR]) != sizeof(e.mac))
		return;
	memcpy(e.mac, RTA_DATA(tb[NDA_LLADDR]), sizeof(e.mac));
	note_full(a, eta_tables_set_neigh(&a->core, &e), "neighbours");
	if ((m->ndm_state & NUD_STALE) && stale.n < AGENTD_NEIGH_WANTED &&
	    is_wanted(&a->mirror, e.addr))
		memcpy(stale.addr[stale.n++], e.addr, ETA_ADDR_LEN);
}

/* Makes the kernel resolve or confirm a next hop as if it had a packet for it. */
static int use_neigh(struct agentd *a, const __u8 *addr)
{
	struct request r;

	begin(a, &r, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK, sizeof(r.u.neigh));
	r.u.neigh.ndm_family = AF_INET;
	r.u.neigh.ndm_ifindex = a->tap.ifindex;
	r.u.neigh.ndm_flags = NTF_USE;
	put_attr(&r, NDA_DST, addr + 12, 4);
	return transact(a, &r, NULL);
}

void mirror_neigh_wanted(struct agentd *a, const uint8_t *addr)
{
	static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct mirror *m = &a->mirror;

	if (!a->tap.ifindex || memcmp(addr, v4_mapped, sizeof(v4_mapped)))
		return;
	if (!is_wanted(m, addr))
		memcpy(m->wanted[m->n_wanted++ % AGENTD_NEIGH_WANTED], addr, ETA_ADDR_LEN);
	(void)use_neigh(a, addr);
}

static int dump_addrs(struct agentd *a)
{
	struct request r;

	begin(a, &r, RTM_GETADDR, NLM_F_DUMP, sizeof(r.u.addr));
	r.u.addr.ifa_family = AF_INET;
	return transact(a, &r, on_addr);
}

/* Of one interface, or with oif 0 of all. */
static int dump_routes(struct agentd *a, uint32_t oif)
{
	struct request r;

	begin(a, &r, RTM_GETROUTE, NLM_F_DUMP, sizeof(r.u.route));
	r.u.route.rtm_family = AF_INET;
	r.u.route.rtm_table = RT_TABLE_MAIN;
	if (oif)
		put_attr(&r, RTA_OIF, &oif, sizeof(oif));
	return transact(a, &r, on_route);
}

static int dump_neighs(struct agentd *a)
{
	struct request r;
	uint32_t ifindex = (uint32_t)a->tap.ifindex;

	begin(a, &r, RTM_GETNEIGH, NLM_F_DUMP, sizeof(r.u.neigh));
	r.u.neigh.ndm_family = AF_INET;
	put_attr(&r, NDA_IFINDEX, &ifindex, sizeof(ifindex));
	return transact(a, &r, on_neigh);
}

void mirror_refresh(struct agentd *a)
{
	unsigned int i;
	int ret;

	if (!a->mirror.dirty)
		return;
	a->mirror.dirty = 0;
	stale.n = 0;
	eta_tables_reset(&a->core);
	ret = dump_addrs(a);
	if (!ret && a->tap.ifindex) /* first: they must find room in the table */
		ret = dump_routes(a, (uint32_t)a->tap.ifindex);
	if (!ret && a->tap.ifindex)
		ret = dump_routes(a, 0);
	if (!ret && a->tap.ifindex)
		ret = dump_neighs(a);
	if (ret) {
		log_line(a, "cannot read the OS's tables: %s", strerror(-ret));
		return;
	}
	(void)eta_tables_commit(&a->core);
	for (i = 0; a->core.fw_mask && a->core.proc[0].n_conn && i < stale.n; i++)
		(void)use_neigh(a, stale.addr[i]);
}

/* Does a notification concern us? Interfaces come and go rarely: always look. */
static int concerns(const struct agentd *a, const struct nlmsghdr *nlh)
{
	const struct ndmsg *m = NLMSG_DATA(nlh);

	if (nlh->nlmsg_type == RTM_NEWNEIGH || nlh->nlmsg_type == RTM_DELNEIGH)
		return m->ndm_ifindex == a->tap.ifindex;
	return 1;
}

static void events_ready(struct agentd *a, struct source *s, uint32_t events)
{
	static char buf[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	int rounds;

	(void)events;
	for (rounds = 0; rounds < 16; rounds++) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		ssize_t n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0) {
			if (errno == ENOBUFS)
				a->mirror.dirty = 1;
			return;
		}
		for (; NLMSG_OK(nlh, (size_t)n); nlh = NLMSG_NEXT(nlh, n))
			a->mirror.dirty |= concerns(a, nlh);
	}
}

static int open_netlink(uint32_t groups)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&nl, sizeof(nl))) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd < 0 ? -errno : fd;
}

int mirror_init(struct agentd *a)
{
	struct timeval limit = { .tv_sec = 2 };
	int on = 1;

	a->mirror.cmd = open_netlink(0);
	a->mirror.events.fd = open_netlink(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR |
					   RTMGRP_IPV4_ROUTE);
	if (a->mirror.cmd < 0)
		return a->mirror.cmd;
	if (a->mirror.events.fd < 0)
		return a->mirror.events.fd;
	(void)setsockopt(a->mirror.cmd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(a->mirror.cmd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	a->mirror.events.ready = events_ready;
	a->mirror.dirty = 1;
	return loop_add(a, &a->mirror.events, EPOLLIN);
}

void mirror_fini(struct agentd *a)
{
	close(a->mirror.events.fd);
	close(a->mirror.cmd);
}
