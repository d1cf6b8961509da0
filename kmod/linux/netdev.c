// SPDX-License-Identifier: GPL-2.0-only
/*
 * eta0, the raw packet driver (E10): what no DTI claims travels between the accelerator and the OS
 * stack through the raw packet rings of the pool. Transmit runs under the queue's lock, receive in
 * NAPI; each is the only user of its side of a ring. Frames are copied once, lengths read once.
 * Exists while a descriptor of the agent is open, with carrier while an accelerator runs.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <linux/timer.h>

#include <eta/ring_ops.h>

#include "eta_ka.h"

#define RAW_MASK (ETA_RAW_DEPTH - 1)
#define RAW_MAX (ETA_RAW_FRAME - sizeof(struct eta_raw))

struct eta_ka_raw {
	struct net_device *dev;
	struct napi_struct napi;
	struct timer_list tx_timer; /* looks for room in a full ring */
	struct eta_proc *proc;      /* whose rings these are */
	u8 *rx;
	u8 *tx;
	u32 proc_index;
};

/* eta_ka.netdev for those that may not take eta_ka.lock. */
static struct net_device __rcu *eta_ka_raw_dev;

static struct eta_raw *eta_ka_slot(u8 *ring, u32 index)
{
	return (struct eta_raw *)(ring + (size_t)(index & RAW_MASK) * ETA_RAW_FRAME);
}

static bool eta_ka_tx_room(const struct eta_ka_raw *raw)
{
	return eta_ring_room(raw->proc->raw_tx_prod, &raw->proc->raw_tx_cons, ETA_RAW_DEPTH);
}

static void eta_ka_tx_timer(struct timer_list *timer)
{
	struct eta_ka_raw *raw = container_of(timer, struct eta_ka_raw, tx_timer);

	if (eta_ka_tx_room(raw) || !netif_carrier_ok(raw->dev))
		netif_wake_queue(raw->dev);
	else
		mod_timer(timer, jiffies + 1);
}

static netdev_tx_t eta_ka_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct eta_ka_raw *raw = netdev_priv(dev);
	struct eta_proc *proc = raw->proc;
	u32 prod = proc->raw_tx_prod;
	struct eta_raw *slot = eta_ka_slot(raw->tx, prod);

	if (skb->len > RAW_MAX || !netif_carrier_ok(dev))
		goto drop;
	if (!eta_ka_tx_room(raw)) {
		netif_stop_queue(dev);
		mod_timer(&raw->tx_timer, jiffies + 1);
		return NETDEV_TX_BUSY;
	}
	if (skb_copy_bits(skb, 0, slot + 1, skb->len))
		goto drop;
	slot->len = skb->len;
	slot->resv = 0;
	eta_ring_publish(&proc->raw_tx_prod, prod + 1);
	dev_sw_netstats_tx_add(dev, 1, skb->len);
	consume_skb(skb);
	eta_full_barrier(); /* F, matches E of the accelerator going to sleep */
	if (eta_load_once(&proc->asleep))
		eta_ka_wake_fw(&eta_ka, raw->proc_index);
	return NETDEV_TX_OK;

drop:
	dev_core_stats_tx_dropped_inc(dev);
	kfree_skb(skb);
	return NETDEV_TX_OK;
}

static void eta_ka_rx_one(struct eta_ka_raw *raw, const struct eta_raw *slot)
{
	u32 len = READ_ONCE(slot->len);
	struct net_device *dev = raw->dev;
	struct sk_buff *skb;

	if (len < ETH_HLEN || len > RAW_MAX) {
		DEV_STATS_INC(dev, rx_length_errors);
		return;
	}
	skb = napi_alloc_skb(&raw->napi, len);
	if (!skb) {
		dev_core_stats_rx_dropped_inc(dev);
		return;
	}
	skb_put_data(skb, slot + 1, len);
	skb->protocol = eth_type_trans(skb, dev);
	dev_sw_netstats_rx_add(dev, len);
	napi_gro_receive(&raw->napi, skb);
}

/* Takes at most `budget` frames. */
static int eta_ka_rx_some(struct eta_ka_raw *raw, int budget)
{
	struct eta_proc *proc = raw->proc;
	u32 cons = proc->raw_rx_cons;
	u32 ready = eta_ring_ready(&proc->raw_rx_prod, cons);
	int done;

	if (ready > ETA_RAW_DEPTH) { /* an accelerator gone mad: start afresh behind it */
		DEV_STATS_INC(raw->dev, rx_errors);
		eta_ring_release(&proc->raw_rx_cons, cons + ready);
		return 0;
	}
	for (done = 0; done < budget && done < ready; done++) {
		eta_ka_rx_one(raw, eta_ka_slot(raw->rx, cons));
		eta_ring_release(&proc->raw_rx_cons, ++cons);
	}
	return done;
}

static int eta_ka_napi_poll(struct napi_struct *napi, int budget)
{
	struct eta_ka_raw *raw = container_of(napi, struct eta_ka_raw, napi);
	struct eta_proc *proc = raw->proc;
	int done;

	eta_store_once(&proc->raw_rx_armed, 0);
	done = eta_ka_rx_some(raw, budget);
	if (done == budget || !napi_complete_done(napi, done))
		return done;
	eta_store_once(&proc->raw_rx_armed, 1);
	eta_full_barrier(); /* E, matches F of the accelerator publishing a frame */
	if (eta_ring_ready(&proc->raw_rx_prod, proc->raw_rx_cons))
		napi_schedule(napi);
	return done;
}

static int eta_ka_ndo_open(struct net_device *dev)
{
	struct eta_ka_raw *raw = netdev_priv(dev);

	napi_enable(&raw->napi);
	netif_start_queue(dev);
	local_bh_disable();
	napi_schedule(&raw->napi);
	local_bh_enable();
	return 0;
}

static int eta_ka_ndo_stop(struct net_device *dev)
{
	struct eta_ka_raw *raw = netdev_priv(dev);

	netif_stop_queue(dev);
	del_timer_sync(&raw->tx_timer);
	napi_disable(&raw->napi);
	eta_store_once(&raw->proc->raw_rx_armed, 0);
	return 0;
}

static int eta_ka_ndo_init(struct net_device *dev)
{
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	return dev->tstats ? 0 : -ENOMEM;
}

static void eta_ka_ndo_uninit(struct net_device *dev)
{
	free_percpu(dev->tstats);
}

static const struct net_device_ops eta_ka_netdev_ops = {
	.ndo_init = eta_ka_ndo_init,
	.ndo_uninit = eta_ka_ndo_uninit,
	.ndo_open = eta_ka_ndo_open,
	.ndo_stop = eta_ka_ndo_stop,
	.ndo_start_xmit = eta_ka_xmit,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

static void eta_ka_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "eta_ka", sizeof(info->driver));
}

static const struct ethtool_ops eta_ka_ethtool_ops = {
	.get_drvinfo = eta_ka_get_drvinfo,
	.get_link = ethtool_op_get_link,
};

static void eta_ka_netdev_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &eta_ka_netdev_ops;
	dev->ethtool_ops = &eta_ka_ethtool_ops;
	dev->max_mtu = RAW_MAX - ETH_HLEN;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	eta_ka_netns_local(dev);
}

static void eta_ka_use_proc(struct eta_ka_raw *raw, u32 proc)
{
	const struct eta_pool_hdr *hdr = eta_ka.core.hdr;
	u8 *pool = eta_ka.pool.head;
	size_t ring = (size_t)proc * ETA_RAW_DEPTH * ETA_RAW_FRAME;

	raw->proc_index = proc;
	raw->proc = &eta_ka.core.proc[proc];
	raw->rx = pool + hdr->raw_rx_off + ring;
	raw->tx = pool + hdr->raw_tx_off + ring;
}

static int eta_ka_netdev_create(u32 proc, const struct eta_fw_port *port)
{
	struct eta_ka_raw *raw;
	struct net_device *dev;
	int ret;

	dev = alloc_netdev(sizeof(*raw), port->ifname, NET_NAME_USER, eta_ka_netdev_setup);
	if (!dev)
		return -ENOMEM;
	raw = netdev_priv(dev);
	raw->dev = dev;
	timer_setup(&raw->tx_timer, eta_ka_tx_timer, 0);
	eta_ka_use_proc(raw, proc);
	netif_napi_add(dev, &raw->napi, eta_ka_napi_poll);
	dev_net_set(dev, eta_ka.net);
	eth_hw_addr_set(dev, port->mac);
	dev->mtu = port->mtu;
	netif_carrier_off(dev);
	ret = register_netdev(dev);
	if (ret) {
		free_netdev(dev);
		return ret;
	}
	eta_ka.netdev = dev;
	rcu_assign_pointer(eta_ka_raw_dev, dev);
	return 0;
}

/* The accelerator came back: same interface, perhaps another port behind it. */
static int eta_ka_netdev_update(struct net_device *dev, u32 proc, const struct eta_fw_port *port)
{
	struct sockaddr sa = { .sa_family = ARPHRD_ETHER };
	struct eta_ka_raw *raw = netdev_priv(dev);
	int ret;

	if (raw->proc_index != proc)
		return -EBUSY;
	memcpy(sa.sa_data, port->mac, ETH_ALEN);
	rtnl_lock();
	ret = dev_set_mac_address(dev, &sa, NULL);
	if (!ret)
		ret = dev_set_mtu(dev, port->mtu);
	rtnl_unlock();
	return ret;
}

int eta_ka_port_up(void *host, __u32 proc, const struct eta_fw_port *port)
{
	struct net_device *dev = eta_ka.netdev;
	int ret;

	if (port->mtu > RAW_MAX - ETH_HLEN || !dev_valid_name(port->ifname) ||
	    strchr(port->ifname, '%') || !is_valid_ether_addr(port->mac))
		return -EINVAL;
	if (dev && strcmp(dev->name, port->ifname))
		eta_ka_netdev_remove();
	if (eta_ka.netdev)
		ret = eta_ka_netdev_update(dev, proc, port);
	else
		ret = eta_ka_netdev_create(proc, port);
	if (ret)
		return ret;
	netif_carrier_on(eta_ka.netdev);
	eta_ka_mirror_kick();
	return 0;
}

void eta_ka_fw_changed(void *host, __u32 proc, int up)
{
	if (!up && eta_ka.netdev)
		netif_carrier_off(eta_ka.netdev);
}

/* unregister_netdev() waits for a grace period before the memory goes. */
void eta_ka_netdev_remove(void)
{
	struct net_device *dev = eta_ka.netdev;

	if (!dev)
		return;
	eta_ka.netdev = NULL;
	RCU_INIT_POINTER(eta_ka_raw_dev, NULL);
	unregister_netdev(dev);
	free_netdev(dev);
}

/* The accelerator has put frames into the ring. Process or softirq context. */
void eta_ka_netdev_rx(void)
{
	struct net_device *dev;

	rcu_read_lock();
	dev = rcu_dereference(eta_ka_raw_dev);
	if (dev && netif_running(dev)) {
		struct eta_ka_raw *raw = netdev_priv(dev);

		local_bh_disable();
		napi_schedule(&raw->napi);
		local_bh_enable();
	}
	rcu_read_unlock();
}
