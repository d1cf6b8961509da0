// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listener table: one entry per master DTI. The OS socket shown by the program proves its right
 * to the port. An entry is used again only when no accelerator can still look at it.
 */
#include "internal.h"

static __u32 find_free(struct eta_core *core)
{
	__u32 n = core->limits.n_listeners;
	__u32 i;

	for (i = 0; i < n; i++) {
		__u32 e = core->listener_hint + i;

		e = e >= n ? e - n : e;
		if (e != ETA_NONE && core->listener_slot[e].state == ETA_LISTENER_FREE)
			return e;
	}
	return ETA_NONE;
}

/* A master DTI must be created, idle and without a listener. Its context, or ETA_NONE. */
static __u32 check_master(struct eta_core *core, __u32 region, __u32 local)
{
	const struct eta_region_map *map = &core->region_slot[region].ro->map;
	__u32 ctx = eta_dti_ctx(core, region, local);
	__u32 state;
	__u64 off;
	__u32 i;

	if (ctx == ETA_NONE)
		return ETA_NONE;
	off = map->ro_fw_off + (__u64)local * sizeof(struct eta_dti_fw) +
	      offsetof(struct eta_dti_fw, state);
	if (core->ops->ro_read(core->host, region, off, &state, sizeof(state)))
		return ETA_NONE;
	if (state != ETA_DTI_FREE && state != ETA_DTI_CLOSED)
		return ETA_NONE;
	for (i = 1; i < core->limits.n_listeners; i++) {
		if (core->listener_slot[i].state != ETA_LISTENER_FREE &&
		    core->listener[i].region == region && core->listener[i].local == local)
			return ETA_NONE;
	}
	return ctx;
}

/* Only IPv4 is accelerated: nothing for us reaches a socket bound to IPv6 alone. */
static int ipv4_reaches(const struct eta_listen_addr *a)
{
	static const __u8 any[ETA_ADDR_LEN];
	static const __u8 mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->v6only)
		return 0;
	return !memcmp(a->addr, any, sizeof(any)) || !memcmp(a->addr, mapped, sizeof(mapped));
}

static void fill(struct eta_core *core, __u32 index, __u32 region, const struct eta_listen *l,
		 __u32 ctx, const struct eta_listen_addr *addr)
{
	struct eta_listener *e = &core->listener[index];
	__u32 max = core->limits.max_dti;

	memset(e, 0, sizeof(*e));
	e->local = l->local;
	e->backlog = l->backlog < 1 ? 1 : l->backlog > max ? max : l->backlog;
	e->port = addr->port;
	e->family = addr->family;
	memcpy(e->addr, addr->addr, ETA_ADDR_LEN);
	e->ctx = ctx;
	eta_store_release(&e->region, region);
}

int eta_listen_add(struct eta_core *core, struct eta_client *client, struct eta_listen *l)
{
	struct eta_region_slot *slot = &core->region_slot[client->region];
	struct eta_listen_addr addr;
	__u32 ctx = check_master(core, client->region, l->local);
	__u32 index;
	int ret;

	if (ctx == ETA_NONE)
		return -EINVAL;
	memset(&addr, 0, sizeof(addr));
	ret = core->ops->listen_check(core->host, client, l->os_fd, &addr);
	if (ret)
		return ret;
	if (!ipv4_reaches(&addr))
		return -EPROTONOSUPPORT;
	index = find_free(core);
	if (index == ETA_NONE || slot->n_listeners >= core->limits.quota_listeners)
		return -ENOSPC;
	if (!eta_kq_room(core))
		return -EAGAIN;
	fill(core, index, client->region, l, ctx, &addr);
	core->listener_slot[index].state = ETA_LISTENER_LIVE;
	core->listener_hint = index + 1;
	slot->n_listeners++;
	eta_kq_post(core, core->fw_mask, ETA_KQ_LISTEN_ADD, index);
	l->listener = index;
	return 0;
}

static void put(struct eta_core *core, __u32 index)
{
	struct eta_listener_slot *s = &core->listener_slot[index];
	__u32 region = core->listener[index].region;

	if (s->state != ETA_LISTENER_DYING || s->gone_wait)
		return;
	eta_store_release(&core->listener[index].region, ETA_NONE);
	memset(s, 0, sizeof(*s));
	core->region_slot[region].n_listeners--;
	eta_region_put(core, region);
}

static void start_dying(struct eta_core *core, __u32 index)
{
	struct eta_listener_slot *s = &core->listener_slot[index];
	__u32 mask = core->fw_mask;

	s->state = ETA_LISTENER_DYING;
	s->gone_wait = mask;
	s->note_wait = core->notes_wait ?
		mask : eta_kq_post(core, mask, ETA_KQ_LISTEN_DEL, index);
	if (s->note_wait)
		core->notes_wait++;
	put(core, index);
}

int eta_listen_del(struct eta_core *core, __u32 region, __u32 index)
{
	if (index == ETA_NONE || index >= core->limits.n_listeners ||
	    core->listener_slot[index].state != ETA_LISTENER_LIVE ||
	    core->listener[index].region != region)
		return -ENOENT;
	start_dying(core, index);
	return 0;
}

void eta_listen_del_all(struct eta_core *core, __u32 region)
{
	__u32 left = core->region_slot[region].n_listeners;
	__u32 i;

	for (i = 1; i < core->limits.n_listeners && left; i++) {
		if (core->listener_slot[i].state == ETA_LISTENER_FREE ||
		    core->listener[i].region != region)
			continue;
		left--;
		if (core->listener_slot[i].state == ETA_LISTENER_LIVE)
			start_dying(core, i);
	}
}

void eta_listen_on_gone(struct eta_core *core, __u32 proc, __u32 index)
{
	struct eta_listener_slot *s;
	__u32 bit = 1u << proc;

	if (index == ETA_NONE || index >= core->limits.n_listeners)
		return;
	s = &core->listener_slot[index];
	/* A note is believed only if the matching ETA_KQ_LISTEN_DEL was sent. */
	if (!(s->gone_wait & bit) || (s->note_wait & bit))
		return;
	s->gone_wait &= ~bit;
	put(core, index);
}
