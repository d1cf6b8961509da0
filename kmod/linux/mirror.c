// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mirror of the OS's tables (E13): addresses, IPv4 routes and neighbours of the served network
 * namespace. Notifiers, some of them atomic, only note the change; one work item reads everything
 * anew and hands it to the core, which publishes what differs.
 * Routes have no walker for modules: a list is kept from the FIB's own notifications.
 */
#include <linux/inetdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/arp.h>
#include <net/fib_notifier.h>
#include <net/ip_fib.h>
#include <net/neighbour.h>
#include <net/netevent.h>
#include <net/nexthop.h>

#include "eta_ka.h"

#define ROUTES_MAX 8192 /* of all tables and interfaces together */
#define V4_PREFIX 96    /* an IPv4 prefix inside ::ffff:0:0/96 */

struct eta_ka_route {
	struct list_head node;
	u32 dst; /* host byte order */
	u32 metric;
	u32 mtu;
	u32 table;
	int dst_len;
	int ifindex;
	__be32 gw;
	__be32 src;
	bool unicast;
};

static LIST_HEAD(eta_ka_routes);
static DEFINE_SPINLOCK(eta_ka_routes_lock); /* BH-safe */
static u32 eta_ka_routes_count;

void eta_ka_mirror_kick(void)
{
	queue_work(system_wq, &eta_ka.mirror_work);
}

/* -- routes: notified in atomic context -- */

static struct eta_ka_route *eta_ka_route_find(const struct fib_entry_notifier_info *e)
{
	struct eta_ka_route *r;

	list_for_each_entry(r, &eta_ka_routes, node) {
		if (r->dst == (u32)e->dst && r->dst_len == e->dst_len && r->table == e->tb_id)
			return r;
	}
	return NULL;
}

static void eta_ka_route_del(const struct fib_entry_notifier_info *e)
{
	struct eta_ka_route *r;

	spin_lock_bh(&eta_ka_routes_lock);
	r = eta_ka_route_find(e);
	if (r) {
		list_del(&r->node);
		eta_ka_routes_count--;
	}
	spin_unlock_bh(&eta_ka_routes_lock);
	kfree(r);
}

static void eta_ka_route_fill(struct eta_ka_route *r, const struct fib_entry_notifier_info *e)
{
	const struct fib_nh_common *nhc = fib_info_nhc(e->fi, 0);

	r->dst = e->dst;
	r->dst_len = e->dst_len;
	r->table = e->tb_id;
	r->metric = e->fi->fib_priority;
	r->mtu = e->fi->fib_mtu;
	r->src = e->fi->fib_prefsrc;
	r->unicast = e->type == RTN_UNICAST;
	r->ifindex = nhc && nhc->nhc_dev ? nhc->nhc_dev->ifindex : 0;
	r->gw = nhc && nhc->nhc_gw_family == AF_INET ? nhc->nhc_gw.ipv4 : 0;
}

static void eta_ka_route_set(const struct fib_entry_notifier_info *e)
{
	struct eta_ka_route *r;

	if (e->tb_id != RT_TABLE_MAIN && e->tb_id != RT_TABLE_DEFAULT && e->tb_id != RT_TABLE_LOCAL)
		return;
	if (e->type == RTN_LOCAL || e->type == RTN_BROADCAST || e->type == RTN_MULTICAST) {
		eta_ka_route_del(e);
		return;
	}
	spin_lock_bh(&eta_ka_routes_lock);
	r = eta_ka_route_find(e);
	if (!r && eta_ka_routes_count < ROUTES_MAX) {
		r = kmalloc(sizeof(*r), GFP_ATOMIC);
		if (r) {
			list_add_tail(&r->node, &eta_ka_routes);
			eta_ka_routes_count++;
		}
	}
	if (r)
		eta_ka_route_fill(r, e);
	spin_unlock_bh(&eta_ka_routes_lock);
	if (!r)
		pr_warn_once("eta_ka: too many routes, some are not mirrored\n");
}

static int eta_ka_fib_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct fib_notifier_info *info = ptr;

	if (info->family != AF_INET)
		return NOTIFY_DONE;
	switch (event) {
	case FIB_EVENT_ENTRY_REPLACE:
	case FIB_EVENT_ENTRY_APPEND:
	case FIB_EVENT_ENTRY_ADD:
		eta_ka_route_set(ptr);
		break;
	case FIB_EVENT_ENTRY_DEL:
		eta_ka_route_del(ptr);
		break;
	default:
		return NOTIFY_DONE;
	}
	eta_ka_mirror_kick();
	return NOTIFY_DONE;
}

static struct notifier_block eta_ka_fib_nb = { .notifier_call = eta_ka_fib_event };

static void eta_ka_routes_flush(struct notifier_block *nb)
{
	struct eta_ka_route *r, *next;
	LIST_HEAD(old);

	spin_lock_bh(&eta_ka_routes_lock);
	list_splice_init(&eta_ka_routes, &old);
	eta_ka_routes_count = 0;
	spin_unlock_bh(&eta_ka_routes_lock);
	list_for_each_entry_safe(r, next, &old, node)
		kfree(r);
}

static void eta_ka_stage_routes(int port)
{
	struct eta_ka_route *r;

	spin_lock_bh(&eta_ka_routes_lock);
	list_for_each_entry(r, &eta_ka_routes, node) {
		struct eta_route e = {
			.plen = V4_PREFIX + r->dst_len,
			.metric = r->metric,
			.mtu = r->mtu,
			.valid = ETA_ROUTE_ELSEWHERE,
		};

		if (r->unicast && r->ifindex == port)
			e.valid = ETA_ROUTE_PORT;
		eta_addr_from_v4(e.dst, htonl(r->dst));
		if (r->gw)
			eta_addr_from_v4(e.gw, r->gw);
		if (r->src)
			eta_addr_from_v4(e.src, r->src);
		if (eta_tables_set_route(&eta_ka.core, &e))
			break;
	}
	spin_unlock_bh(&eta_ka_routes_lock);
}

/* -- addresses -- */

static void eta_ka_stage_addr(const struct net_device *dev, const struct in_ifaddr *ifa)
{
	struct eta_addr a = {
		.plen = V4_PREFIX + ifa->ifa_prefixlen,
		.on_lo = !!(dev->flags & IFF_LOOPBACK),
		.valid = 1,
	};

	eta_addr_from_v4(a.addr, ifa->ifa_local);
	eta_tables_set_addr(&eta_ka.core, &a);
}

static void eta_ka_stage_addrs(struct net *net)
{
	const struct in_ifaddr *ifa;
	struct net_device *dev;

	rcu_read_lock();
	for_each_netdev_rcu(net, dev) {
		struct in_device *in_dev = __in_dev_get_rcu(dev);

		if (!in_dev)
			continue;
		in_dev_for_each_ifa_rcu(ifa, in_dev)
			eta_ka_stage_addr(dev, ifa);
	}
	rcu_read_unlock();
}

static int eta_ka_inetaddr_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	eta_ka_mirror_kick();
	return NOTIFY_DONE;
}

static struct notifier_block eta_ka_inetaddr_nb = { .notifier_call = eta_ka_inetaddr_event };

/* -- neighbours of eta0 -- */

/* Under the table's lock. */
static void eta_ka_stage_neigh(struct neighbour *n, void *port)
{
	struct eta_neigh e = { .valid = 1 };
	unsigned char ha[ALIGN(MAX_ADDR_LEN, sizeof(unsigned long))];

	if (n->dev != port || !(READ_ONCE(n->nud_state) & NUD_VALID))
		return;
	neigh_ha_snapshot(ha, n, n->dev);
	memcpy(e.mac, ha, sizeof(e.mac));
	eta_addr_from_v4(e.addr, *(__be32 *)n->primary_key);
	eta_tables_set_neigh(&eta_ka.core, &e);
}

static int eta_ka_netevent(struct notifier_block *nb, unsigned long event, void *ptr)
{
	if (event == NETEVENT_NEIGH_UPDATE && ((struct neighbour *)ptr)->tbl == &arp_tbl)
		eta_ka_mirror_kick();
	return NOTIFY_DONE;
}

static struct notifier_block eta_ka_netevent_nb = { .notifier_call = eta_ka_netevent };

/* Asks the OS to resolve a next hop: its ARP goes out through eta0. */
void eta_ka_neigh_wanted(void *host, const __u8 *addr)
{
	struct net_device *dev = eta_ka.netdev;
	struct neighbour *n;
	__u8 mapped[ETA_ADDR_LEN];
	__be32 ip;

	memcpy(&ip, addr + ETA_ADDR_LEN - sizeof(ip), sizeof(ip));
	eta_addr_from_v4(mapped, ip);
	if (!dev || !netif_running(dev) || memcmp(mapped, addr, ETA_ADDR_LEN))
		return;
	n = neigh_lookup(&arp_tbl, &ip, dev);
	if (!n)
		n = neigh_create(&arp_tbl, &ip, dev);
	if (IS_ERR(n))
		return;
	neigh_event_send(n, NULL);
	neigh_release(n);
}

/* -- the work -- */

static void eta_ka_mirror_work(struct work_struct *work)
{
	mutex_lock(&eta_ka.lock);
	eta_tables_reset(&eta_ka.core);
	if (eta_ka.net) {
		struct net_device *port = eta_ka.netdev;

		eta_ka_stage_addrs(eta_ka.net);
		eta_ka_stage_routes(port ? port->ifindex : -1);
		if (port)
			neigh_for_each(&arp_tbl, eta_ka_stage_neigh, port);
	}
	eta_tables_commit(&eta_ka.core);
	mutex_unlock(&eta_ka.lock);
}

/* Follows the routes of eta_ka.net. Under eta_ka.lock. */
int eta_ka_mirror_start(void)
{
	int ret = register_fib_notifier(eta_ka.net, &eta_ka_fib_nb, eta_ka_routes_flush, NULL);

	eta_ka_mirror_kick();
	return ret;
}

void eta_ka_mirror_stop(void)
{
	unregister_fib_notifier(eta_ka.net, &eta_ka_fib_nb);
	eta_ka_routes_flush(&eta_ka_fib_nb);
	eta_ka_mirror_kick();
}

int eta_ka_mirror_init(void)
{
	int ret;

	INIT_WORK(&eta_ka.mirror_work, eta_ka_mirror_work);
	ret = register_inetaddr_notifier(&eta_ka_inetaddr_nb);
	if (ret)
		return ret;
	ret = register_netevent_notifier(&eta_ka_netevent_nb);
	if (ret)
		unregister_inetaddr_notifier(&eta_ka_inetaddr_nb);
	return ret;
}

void eta_ka_mirror_exit(void)
{
	unregister_netevent_notifier(&eta_ka_netevent_nb);
	unregister_inetaddr_notifier(&eta_ka_inetaddr_nb);
	cancel_work_sync(&eta_ka.mirror_work);
}
