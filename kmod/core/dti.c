// SPDX-License-Identifier: GPL-2.0-only
/*
 * DTIs: which context slot belongs to which local index of which region. A slot is given away
 * with its DTI and comes back when the region is freed. Slots never used come last, in order, so
 * that the sparse context table grows only as far as needed.
 */
#include "internal.h"

#define DTI_CHUNK 128u /* entries written at once; bounds the stack */

static __u32 slot_take(struct eta_core *core)
{
	__u32 ctx = core->ctx_free;

	if (ctx != ETA_NONE) {
		core->ctx_free = core->ctx_next[ctx];
		return ctx;
	}
	if (core->ctx_fresh < core->limits.n_ctx)
		return core->ctx_fresh++;
	return ETA_NONE;
}

static void slot_give_back(struct eta_core *core, __u32 ctx)
{
	core->owner[ctx].region = ETA_NONE;
	core->owner[ctx].local = 0;
	core->ctx_next[ctx] = core->ctx_free;
	core->ctx_free = ctx;
}

static __u32 allowed(const struct eta_core *core, __u32 have, __u32 want)
{
	const struct eta_limits *l = &core->limits;
	__u32 own = l->quota_dti < l->max_dti ? l->quota_dti : l->max_dti;

	own = own > have ? own - have : 0;
	if (own > want)
		own = want;
	if (core->n_dti >= l->quota_total)
		return 0;
	return own < l->quota_total - core->n_dti ? own : l->quota_total - core->n_dti;
}

/* Creates up to DTI_CHUNK DTIs with local indices from `first`. Returns how many. */
static __u32 create_chunk(struct eta_core *core, __u32 region, __u32 first, __u32 want)
{
	struct eta_region_slot *slot = &core->region_slot[region];
	__u64 off = slot->ro->map.ro_ctx_off + (__u64)first * sizeof(__u32);
	__u32 ctx[DTI_CHUNK];
	__u32 n;

	for (n = 0; n < want; n++) {
		ctx[n] = slot_take(core);
		if (ctx[n] == ETA_NONE)
			break;
	}
	if (n && core->ops->ro_write(core->host, region, off, ctx, n * sizeof(__u32))) {
		while (n)
			slot_give_back(core, ctx[--n]);
	}
	for (want = 0; want < n; want++) {
		struct eta_owner *o = &core->owner[ctx[want]];

		o->local = first + want;
		o->gen++;
		eta_store_release(&o->region, region);
		core->ctx_next[ctx[want]] = slot->ctx_head;
		slot->ctx_head = ctx[want];
	}
	return n;
}

int eta_dti_create(struct eta_core *core, __u32 region, struct eta_dti_create *c)
{
	struct eta_region_slot *slot = &core->region_slot[region];
	struct eta_region_desc *d = &core->region[region];
	__u32 first = d->n_dti;
	__u32 want = allowed(core, first, c->count);
	__u32 done = 0;

	while (done < want) {
		__u32 chunk = want - done < DTI_CHUNK ? want - done : DTI_CHUNK;
		__u32 n = create_chunk(core, region, first + done, chunk);

		done += n;
		if (n < chunk)
			break;
	}
	if (!done)
		return -ENOSPC;
	core->n_dti += done;
	/* The map entries and owners are visible before the count that covers them. */
	eta_store_release(&d->n_dti, first + done);
	eta_store_release(&slot->ro->n_dti, first + done);
	c->count = done;
	c->first = first;
	return 0;
}

__u32 eta_dti_ctx(struct eta_core *core, __u32 region, __u32 local)
{
	__u64 off = core->region_slot[region].ro->map.ro_ctx_off + (__u64)local * sizeof(__u32);
	__u32 ctx = ETA_NONE;

	if (local >= core->region[region].n_dti ||
	    core->ops->ro_read(core->host, region, off, &ctx, sizeof(ctx)) ||
	    ctx == ETA_NONE || ctx >= core->limits.n_ctx)
		return ETA_NONE;
	if (core->owner[ctx].region != region || core->owner[ctx].local != local)
		return ETA_NONE;
	return ctx;
}

void eta_dti_free_all(struct eta_core *core, __u32 region)
{
	struct eta_region_slot *slot = &core->region_slot[region];

	while (slot->ctx_head != ETA_NONE) {
		__u32 ctx = slot->ctx_head;

		slot->ctx_head = core->ctx_next[ctx];
		/* An accelerator that was killed has left connections behind. */
		if (!core->fw_mask)
			core->ops->ctx_clear(core->host, ctx);
		slot_give_back(core, ctx);
		core->n_dti--;
	}
}
