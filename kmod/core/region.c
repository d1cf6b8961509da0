// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a region: FREE -> LIVE (a program attached) -> DYING (it is gone, the accelerator still
 * finishes its connections) -> FREE. Without an accelerator DYING lasts no time.
 */
#include "internal.h"

struct eta_region_slot *eta_region_slot_of(struct eta_core *core, __u32 region)
{
	if (region == ETA_NONE || region >= core->limits.n_regions)
		return NULL;
	return core->region_slot[region].ro ? &core->region_slot[region] : NULL;
}

static __u32 find_free(struct eta_core *core)
{
	__u32 n = core->limits.n_regions;
	__u32 i;

	for (i = 0; i < n; i++) {
		__u32 r = core->region_hint + i;

		r = r >= n ? r - n : r;
		if (r != ETA_NONE && !core->region_slot[r].ro)
			return r;
	}
	return ETA_NONE;
}

static int user_may(const struct eta_core *core, __u32 uid)
{
	__u32 used = 0;
	__u32 i;

	if (!uid)
		return 1;
	for (i = 1; i < core->limits.n_regions; i++) {
		if (core->region[i].state != ETA_REGION_FREE && core->region[i].uid == uid)
			used++;
	}
	return used < core->limits.quota_regions;
}

static void publish(struct eta_core *core, __u32 region, const struct eta_client *client)
{
	struct eta_region_desc *d = &core->region[region];

	d->pid = client->pid;
	d->uid = client->uid;
	d->max_dti = core->limits.max_dti;
	d->n_dti = 0;
	d->gen++;
	memcpy(d->comm, client->comm, sizeof(d->comm));
	d->comm[sizeof(d->comm) - 1] = '\0';
	eta_store_release(&d->state, ETA_REGION_LIVE);
}

int eta_region_attach(struct eta_core *core, struct eta_client *client, struct eta_attach *a)
{
	struct eta_region_map map;
	struct eta_region_slot *slot;
	__u32 region = find_free(core);
	int ret;

	if (region == ETA_NONE || !user_may(core, client->uid))
		return -ENOSPC;
	if (!eta_kq_room(core))
		return -EAGAIN;
	ret = eta_region_layout(&core->limits, &map);
	if (ret)
		return ret;
	slot = &core->region_slot[region];
	memset(slot, 0, sizeof(*slot));
	ret = core->ops->region_create(core->host, region, &map, client, &slot->ro);
	if (ret) {
		slot->ro = NULL;
		return ret;
	}
	eta_region_init(slot->ro, &map, region, !core->fw_mask);
	slot->client = client;
	slot->ro_size = map.ro_size;
	slot->rw_size = map.rw_size;
	client->region = region;
	core->region_hint = region + 1;
	core->n_live++;
	publish(core, region, client);
	eta_kq_post(core, core->fw_mask, ETA_KQ_REGION_ADD, region);
	a->region = region;
	a->ro_size = map.ro_size;
	a->rw_size = map.rw_size;
	a->max_dti = map.max_dti;
	return 0;
}

void eta_region_dying(struct eta_core *core, __u32 region)
{
	struct eta_region_slot *slot = &core->region_slot[region];
	__u32 mask = core->fw_mask;

	eta_listen_del_all(core, region);
	eta_store_release(&core->region[region].state, ETA_REGION_DYING);
	slot->client = NULL;
	slot->gone_wait = mask;
	core->n_live--;
	core->n_dying++;
	/* Behind its own listeners' notes, if those wait for room. */
	slot->note_wait = core->notes_wait ?
		mask : eta_kq_post(core, mask, ETA_KQ_REGION_DYING, region);
	if (slot->note_wait)
		core->notes_wait++;
	eta_region_put(core, region);
}

void eta_region_put(struct eta_core *core, __u32 region)
{
	struct eta_region_slot *slot = &core->region_slot[region];
	struct eta_region_desc *d = &core->region[region];

	if (d->state != ETA_REGION_DYING || slot->gone_wait || slot->n_listeners)
		return;
	eta_dti_free_all(core, region);
	eta_store_release(&d->state, ETA_REGION_FREE);
	d->n_dti = 0;
	core->n_dying--;
	core->ops->region_destroy(core->host, region);
	memset(slot, 0, sizeof(*slot));
}

void eta_region_on_gone(struct eta_core *core, __u32 proc, __u32 region)
{
	struct eta_region_slot *slot = eta_region_slot_of(core, region);
	__u32 bit = 1u << proc;

	/* A note is believed only if the matching ETA_KQ_REGION_DYING was sent. */
	if (!slot || !(slot->gone_wait & bit) || (slot->note_wait & bit))
		return;
	slot->gone_wait &= ~bit;
	eta_region_put(core, region);
}
