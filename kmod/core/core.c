// SPDX-License-Identifier: GPL-2.0-only
/*
 * Set-up, tear-down and the notes that come back from accelerators.
 */
#include "internal.h"

static __u64 take(__u64 *at, __u64 size)
{
	__u64 off = *at;

	*at = (off + size + ETA_CACHELINE - 1) & ~(__u64)(ETA_CACHELINE - 1);
	return off;
}

/* With a null `mem` only measures. */
static __u64 place_private(struct eta_core *core, const struct eta_limits *l, __u8 *mem)
{
	__u64 at = 0;
	__u64 next = take(&at, (__u64)l->n_ctx * sizeof(__u32));
	__u64 region = take(&at, (__u64)l->n_regions * sizeof(struct eta_region_slot));
	__u64 listener = take(&at, (__u64)l->n_listeners * sizeof(struct eta_listener_slot));
	__u64 route = take(&at, (__u64)l->n_routes * sizeof(struct eta_route));
	__u64 neigh = take(&at, (__u64)l->n_neighs * sizeof(struct eta_neigh));
	__u64 addr = take(&at, (__u64)l->n_addrs * sizeof(struct eta_addr));

	if (mem) {
		core->ctx_next = (__u32 *)(mem + next);
		core->region_slot = (struct eta_region_slot *)(mem + region);
		core->listener_slot = (struct eta_listener_slot *)(mem + listener);
		core->route_new = (struct eta_route *)(mem + route);
		core->neigh_new = (struct eta_neigh *)(mem + neigh);
		core->addr_new = (struct eta_addr *)(mem + addr);
	}
	return at;
}

__u64 eta_core_mem_size(const struct eta_limits *l)
{
	return place_private(NULL, l, NULL);
}

int eta_core_init(struct eta_core *core, const struct eta_limits *l, void *pool, void *mem,
		  __u64 epoch, const struct eta_core_ops *ops, void *host)
{
	struct eta_region_map map;
	struct eta_pool_hdr h;
	__u8 *p = pool;
	int ret;

	ret = eta_pool_layout(l, &h);
	if (!ret)
		ret = eta_region_layout(l, &map);
	if (ret)
		return ret;
	memset(core, 0, sizeof(*core));
	core->limits = *l;
	core->ops = ops;
	core->host = host;
	core->hdr = pool;
	core->proc = (struct eta_proc *)(p + h.proc_off);
	core->owner = (struct eta_owner *)(p + h.owner_off);
	core->listener = (struct eta_listener *)(p + h.listener_off);
	core->region = (struct eta_region_desc *)(p + h.region_off);
	core->route = (struct eta_route *)(p + h.route_off);
	core->neigh = (struct eta_neigh *)(p + h.neigh_off);
	core->addr = (struct eta_addr *)(p + h.addr_off);
	core->to_fw = (struct eta_kq *)(p + h.to_fw_off);
	core->to_agent = (struct eta_kq *)(p + h.to_agent_off);
	place_private(core, l, mem);
	core->ctx_fresh = 1;
	core->region_hint = 1;
	core->listener_hint = 1;
	eta_pool_init(pool, &h, epoch);
	return 0;
}

void eta_core_client_gone(struct eta_core *core, struct eta_client *client)
{
	__u32 role = client->role;

	client->role = 0;
	if (role == ETA_ROLE_APP)
		eta_region_dying(core, client->region);
	else if (role == ETA_ROLE_FW)
		eta_fw_detach(core, client);
	client->region = ETA_NONE;
}

static void take_note(struct eta_core *core, __u32 proc, const struct eta_kq *e)
{
	switch (e->op) {
	case ETA_KQ_REGION_GONE:
		eta_region_on_gone(core, proc, e->a);
		break;
	case ETA_KQ_LISTEN_GONE:
		eta_listen_on_gone(core, proc, e->a);
		break;
	case ETA_KQ_NEIGH_WANTED:
		core->ops->neigh_wanted(core->host, e->addr);
		break;
	default:
		break;
	}
}

/* Listeners first: the note about a region stands behind those about its listeners. */
static void repeat_notes(struct eta_core *core)
{
	__u32 i;

	for (i = 1; i < core->limits.n_listeners && core->notes_wait; i++) {
		struct eta_listener_slot *s = &core->listener_slot[i];

		if (!s->note_wait)
			continue;
		s->note_wait = eta_kq_post(core, s->note_wait, ETA_KQ_LISTEN_DEL, i);
		if (s->note_wait)
			return;
		core->notes_wait--;
	}
	for (i = 1; i < core->limits.n_regions && core->notes_wait; i++) {
		struct eta_region_slot *s = &core->region_slot[i];

		if (!s->note_wait)
			continue;
		s->note_wait = eta_kq_post(core, s->note_wait, ETA_KQ_REGION_DYING, i);
		if (s->note_wait)
			return;
		core->notes_wait--;
	}
}

void eta_core_drain(struct eta_core *core)
{
	struct eta_kq e;
	__u32 proc;
	__u32 n;

	for (proc = 0; proc < core->limits.n_procs; proc++) {
		for (n = 0; n < ETA_KQ_DEPTH && eta_kq_take(core, proc, &e); n++)
			take_note(core, proc, &e);
	}
	if (core->notes_wait)
		repeat_notes(core);
}

void eta_core_fini(struct eta_core *core)
{
	__u32 i;

	for (i = 0; i < core->limits.n_procs; i++) {
		if (core->fw[i])
			eta_core_client_gone(core, core->fw[i]);
	}
	for (i = 1; i < core->limits.n_regions; i++) {
		struct eta_region_slot *slot = eta_region_slot_of(core, i);

		if (slot && slot->client)
			eta_core_client_gone(core, slot->client);
	}
}
