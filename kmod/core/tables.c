// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mirror of the OS's addresses, routes and neighbours (E13). Changes are staged in private memory
 * and published together under hdr->tables_seq, which is odd meanwhile; unchanged tables do not
 * move it. Readers copy, then check that the sequence was even and did not change.
 */
#include "internal.h"

void eta_addr_from_v4(__u8 *out, __be32 v4)
{
	memset(out, 0, 10);
	out[10] = 0xff;
	out[11] = 0xff;
	memcpy(out + 12, &v4, 4);
}

void eta_tables_reset(struct eta_core *core)
{
	const struct eta_limits *l = &core->limits;

	memset(core->addr_new, 0, l->n_addrs * sizeof(*core->addr_new));
	memset(core->route_new, 0, l->n_routes * sizeof(*core->route_new));
	memset(core->neigh_new, 0, l->n_neighs * sizeof(*core->neigh_new));
}

/* Index of the entry with the same key; else of the first free one (*found = 0); else n. */
static __u32 find_addr(const struct eta_core *core, const struct eta_addr *key, int *found)
{
	__u32 n = core->limits.n_addrs;
	__u32 free = n;
	__u32 i;

	for (i = 0; i < n; i++) {
		const struct eta_addr *e = &core->addr_new[i];

		*found = e->valid && !memcmp(e->addr, key->addr, ETA_ADDR_LEN);
		if (*found)
			return i;
		if (!e->valid && free == n)
			free = i;
	}
	return free;
}

static __u32 find_route(const struct eta_core *core, const struct eta_route *key, int *found)
{
	__u32 n = core->limits.n_routes;
	__u32 free = n;
	__u32 i;

	for (i = 0; i < n; i++) {
		const struct eta_route *e = &core->route_new[i];

		*found = e->valid && e->plen == key->plen && e->metric == key->metric &&
			 !memcmp(e->dst, key->dst, ETA_ADDR_LEN);
		if (*found)
			return i;
		if (!e->valid && free == n)
			free = i;
	}
	return free;
}

static __u32 find_neigh(const struct eta_core *core, const struct eta_neigh *key, int *found)
{
	__u32 n = core->limits.n_neighs;
	__u32 free = n;
	__u32 i;

	for (i = 0; i < n; i++) {
		const struct eta_neigh *e = &core->neigh_new[i];

		*found = e->valid && !memcmp(e->addr, key->addr, ETA_ADDR_LEN);
		if (*found)
			return i;
		if (!e->valid && free == n)
			free = i;
	}
	return free;
}

int eta_tables_set_addr(struct eta_core *core, const struct eta_addr *a)
{
	int found = 0;
	__u32 i = find_addr(core, a, &found);

	if (i == core->limits.n_addrs)
		return -ENOSPC;
	core->addr_new[i] = *a;
	core->addr_new[i].valid = 1;
	return 0;
}

int eta_tables_del_addr(struct eta_core *core, const struct eta_addr *a)
{
	int found = 0;
	__u32 i = find_addr(core, a, &found);

	if (!found)
		return -ENOENT;
	memset(&core->addr_new[i], 0, sizeof(core->addr_new[i]));
	return 0;
}

int eta_tables_set_route(struct eta_core *core, const struct eta_route *r)
{
	int found = 0;
	__u32 i = find_route(core, r, &found);

	if (i == core->limits.n_routes)
		return -ENOSPC;
	core->route_new[i] = *r;
	if (!r->valid)
		core->route_new[i].valid = ETA_ROUTE_PORT;
	return 0;
}

int eta_tables_del_route(struct eta_core *core, const struct eta_route *r)
{
	int found = 0;
	__u32 i = find_route(core, r, &found);

	if (!found)
		return -ENOENT;
	memset(&core->route_new[i], 0, sizeof(core->route_new[i]));
	return 0;
}

int eta_tables_set_neigh(struct eta_core *core, const struct eta_neigh *n)
{
	int found = 0;
	__u32 i = find_neigh(core, n, &found);

	if (i == core->limits.n_neighs)
		return -ENOSPC;
	core->neigh_new[i] = *n;
	core->neigh_new[i].valid = 1;
	return 0;
}

int eta_tables_del_neigh(struct eta_core *core, const struct eta_neigh *n)
{
	int found = 0;
	__u32 i = find_neigh(core, n, &found);

	if (!found)
		return -ENOENT;
	memset(&core->neigh_new[i], 0, sizeof(core->neigh_new[i]));
	return 0;
}

int eta_tables_commit(struct eta_core *core)
{
	const struct eta_limits *l = &core->limits;
	__u64 addrs = l->n_addrs * sizeof(*core->addr);
	__u64 routes = l->n_routes * sizeof(*core->route);
	__u64 neighs = l->n_neighs * sizeof(*core->neigh);
	__u32 seq = core->hdr->tables_seq;

	if (!memcmp(core->addr, core->addr_new, addrs) &&
	    !memcmp(core->route, core->route_new, routes) &&
	    !memcmp(core->neigh, core->neigh_new, neighs))
		return 0;
	eta_store_once(&core->hdr->tables_seq, seq + 1);
	eta_full_barrier();
	memcpy(core->addr, core->addr_new, addrs);
	memcpy(core->route, core->route_new, routes);
	memcpy(core->neigh, core->neigh_new, neighs);
	eta_store_release(&core->hdr->tables_seq, seq + 2);
	return 1;
}
