// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where everything lies in the agent pool and in the two objects of a region. Pure functions.
 * Sections that only the accelerator touches come last in the pool, so that a host maps just the
 * head. All objects are sparse: a page costs memory when it is first written.
 */
#include "internal.h"

void eta_limits_default(struct eta_limits *l)
{
	memset(l, 0, sizeof(*l));
	l->n_procs = 1;
	l->n_ctx = 262144;
	l->n_buckets = 131072;
	l->n_tw = 65536;
	l->n_listeners = 4096;
	l->n_regions = 1024;
	l->n_routes = 256;
	l->n_neighs = 1024;
	l->n_addrs = 256;
	l->eph_first = 10000;
	l->eph_last = 32767;
	l->max_dti = 131072;
	l->rx_small = 32768;
	l->rx_large = 3072;
	l->tx_pool_size = 256ull << 20;
	l->quota_dti = 131072;
	l->quota_total = 262143;
	l->quota_regions = 256;
	l->quota_listeners = 1024;
}

static int in_range(__u32 v, __u32 low, __u32 high)
{
	return v >= low && v <= high;
}

static int power_of_two(__u32 v)
{
	return v && !(v & (v - 1));
}

static __u64 take(__u64 *at, __u64 size)
{
	__u64 off = *at;

	*at = (off + size + ETA_PAGE - 1) & ~(__u64)(ETA_PAGE - 1);
	return off;
}

static int pool_limits_ok(const struct eta_limits *l)
{
	return in_range(l->n_procs, 1, ETA_CORE_PROCS_MAX) &&
	       in_range(l->n_ctx, 2, 1u << 24) &&
	       in_range(l->n_buckets, 1, 1u << 24) && power_of_two(l->n_buckets) &&
	       in_range(l->n_tw, 1, 1u << 24) &&
	       in_range(l->n_listeners, 2, 1u << 16) &&
	       in_range(l->n_regions, 2, 1u << 16) &&
	       in_range(l->n_routes, 1, 1u << 16) &&
	       in_range(l->n_neighs, 1, 1u << 16) &&
	       in_range(l->n_addrs, 1, 1u << 16) &&
	       in_range(l->eph_first, 1024, 65535) &&
	       in_range(l->eph_last, l->eph_first, 65535);
}

int eta_pool_layout(const struct eta_limits *l, struct eta_pool_hdr *h)
{
	__u64 at = 0;
	__u64 procs = l->n_procs;

	if (!pool_limits_ok(l))
		return -EINVAL;
	memset(h, 0, sizeof(*h));
	h->n_procs = l->n_procs;
	h->n_ctx = l->n_ctx;
	h->n_buckets = l->n_buckets;
	h->n_tw = l->n_tw;
	h->n_listeners = l->n_listeners;
	h->n_regions = l->n_regions;
	h->n_routes = l->n_routes;
	h->n_neighs = l->n_neighs;
	h->n_addrs = l->n_addrs;
	h->eph_first = l->eph_first;
	h->eph_last = l->eph_last;
	take(&at, sizeof(*h));
	h->proc_off = take(&at, procs * sizeof(struct eta_proc));
	h->counter_off = take(&at, procs * ETA_COUNTERS_MAX * sizeof(__u64));
	h->owner_off = take(&at, (__u64)l->n_ctx * sizeof(struct eta_owner));
	h->listener_off = take(&at, (__u64)l->n_listeners * sizeof(struct eta_listener));
	h->region_off = take(&at, (__u64)l->n_regions * sizeof(struct eta_region_desc));
	h->route_off = take(&at, (__u64)l->n_routes * sizeof(struct eta_route));
	h->neigh_off = take(&at, (__u64)l->n_neighs * sizeof(struct eta_neigh));
	h->addr_off = take(&at, (__u64)l->n_addrs * sizeof(struct eta_addr));
	h->to_fw_off = take(&at, procs * ETA_KQ_DEPTH * sizeof(struct eta_kq));
	h->to_agent_off = take(&at, procs * ETA_KQ_DEPTH * sizeof(struct eta_kq));
	h->raw_rx_off = take(&at, procs * ETA_RAW_DEPTH * ETA_RAW_FRAME);
	h->raw_tx_off = take(&at, procs * ETA_RAW_DEPTH * ETA_RAW_FRAME);
	h->ctx_off = take(&at, (__u64)l->n_ctx * sizeof(struct eta_ctx));
	h->hash_off = take(&at, (__u64)l->n_buckets * sizeof(struct eta_bucket));
	h->tw_off = take(&at, (__u64)l->n_tw * sizeof(struct eta_tw));
	h->size = at;
	return 0;
}

__u64 eta_pool_agent_size(const struct eta_pool_hdr *h)
{
	return h->ctx_off;
}

void eta_pool_init(void *pool, const struct eta_pool_hdr *layout, __u64 epoch)
{
	struct eta_pool_hdr *h = pool;

	*h = *layout;
	h->magic = ETA_ABI_MAGIC;
	h->version = ETA_ABI_VERSION;
	h->epoch = epoch;
}

static int region_limits_ok(const struct eta_limits *l)
{
	return in_range(l->max_dti, 2, 1u << 20) && power_of_two(l->max_dti) &&
	       in_range(l->rx_small, 1, 1u << 22) && in_range(l->rx_large, 0, 1u << 20) &&
	       l->tx_pool_size >= ETA_BUF_LARGE && l->tx_pool_size <= 1ull << 40 &&
	       !(l->tx_pool_size & (ETA_PAGE - 1));
}

int eta_region_layout(const struct eta_limits *l, struct eta_region_map *m)
{
	__u64 n = l->max_dti;
	__u64 at = ETA_PAGE;

	if (!region_limits_ok(l))
		return -EINVAL;
	memset(m, 0, sizeof(*m));
	m->magic = ETA_ABI_MAGIC;
	m->version = ETA_ABI_VERSION;
	m->max_dti = l->max_dti;
	m->rx_small = l->rx_small;
	m->rx_large = l->rx_large;
	m->tx_pool_size = l->tx_pool_size;
	m->ro_fw_off = take(&at, n * sizeof(struct eta_dti_fw));
	m->ro_rq_off = take(&at, n * ETA_RQ_DEPTH * sizeof(struct eta_rqe));
	m->ro_event_off = take(&at, n * sizeof(__u32));
	m->ro_accept_off = take(&at, n * sizeof(struct eta_child));
	m->ro_ctx_off = take(&at, n * sizeof(__u32));
	m->ro_pool_off = take(&at, (__u64)l->rx_small * ETA_BUF_SMALL +
					   (__u64)l->rx_large * ETA_BUF_LARGE);
	m->ro_size = at;
	at = ETA_PAGE;
	m->rw_app_off = take(&at, n * sizeof(struct eta_dti_app));
	m->rw_sq_off = take(&at, n * ETA_SQ_DEPTH * sizeof(struct eta_sqe));
	m->rw_doorbell_off = take(&at, n * sizeof(__u32));
	m->rw_child_off = take(&at, n * sizeof(struct eta_child));
	m->rw_pool_off = take(&at, l->tx_pool_size);
	m->rw_size = at;
	return 0;
}

void eta_region_init(struct eta_region_ro *ro, const struct eta_region_map *map, __u32 region,
		     __u32 fw_down)
{
	ro->map = *map;
	ro->map.region = region;
	ro->fw_down = fw_down;
}
