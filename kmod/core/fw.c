// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attachment of accelerators, one per processor. While none is attached to a processor, the agent
 * writes that processor's words in its stead (pid, asleep, queue indices). A new accelerator finds
 * its to_fw queue empty and then scans region and listener table by itself; notes that arrive
 * meanwhile may repeat what it saw.
 */
#include "internal.h"

static void tell_regions(struct eta_core *core)
{
	__u32 down = !core->fw_mask;
	__u32 i;

	for (i = 1; i < core->limits.n_regions; i++) {
		struct eta_region_slot *slot = eta_region_slot_of(core, i);

		if (!slot || slot->ro->fw_down == down)
			continue;
		eta_store_release(&slot->ro->fw_down, down);
		if (slot->client)
			core->ops->wake_region(core->host, i);
	}
}

int eta_fw_attach(struct eta_core *core, struct eta_client *client, struct eta_attach *a)
{
	struct eta_proc *p;

	if (a->proc >= core->limits.n_procs)
		return -EINVAL;
	if (core->fw[a->proc])
		return -EBUSY;
	p = &core->proc[a->proc];
	p->to_fw_cons = p->to_fw_prod;
	p->raw_tx_cons = p->raw_tx_prod;
	p->asleep = 0;
	p->attachments++;
	p->pid = client->pid;
	client->proc = a->proc;
	core->fw[a->proc] = client;
	core->fw_mask |= 1u << a->proc;
	tell_regions(core);
	if (core->ops->fw_changed)
		core->ops->fw_changed(core->host, a->proc, 1);
	return 0;
}

/* Whatever the dead accelerator still owed, it owes no more. */
static void forgive(struct eta_core *core, __u32 bit)
{
	__u32 i;

	for (i = 1; i < core->limits.n_listeners; i++) {
		struct eta_listener_slot *s = &core->listener_slot[i];

		if (s->note_wait == bit)
			core->notes_wait--;
		s->note_wait &= ~bit;
		if (s->gone_wait & bit)
			eta_listen_on_gone(core, (__u32)__builtin_ctz(bit), i);
	}
	for (i = 1; i < core->limits.n_regions; i++) {
		struct eta_region_slot *s = eta_region_slot_of(core, i);

		if (!s)
			continue;
		if (s->note_wait == bit)
			core->notes_wait--;
		s->note_wait &= ~bit;
		if (s->gone_wait & bit)
			eta_region_on_gone(core, (__u32)__builtin_ctz(bit), i);
	}
}

void eta_fw_detach(struct eta_core *core, struct eta_client *client)
{
	struct eta_proc *p = &core->proc[client->proc];

	eta_core_drain(core); /* its last words */
	core->fw[client->proc] = NULL;
	core->fw_mask &= ~(1u << client->proc);
	p->pid = 0;
	p->asleep = 0;
	forgive(core, 1u << client->proc);
	tell_regions(core);
	if (core->ops->fw_changed)
		core->ops->fw_changed(core->host, client->proc, 0);
}

int eta_fw_map_region(struct eta_core *core, struct eta_fw_map *m)
{
	struct eta_region_slot *slot = eta_region_slot_of(core, m->region);

	if (m->resv)
		return -EINVAL;
	if (!slot)
		return -ENOENT;
	m->ro_size = slot->ro_size;
	m->rw_size = slot->rw_size;
	return 0;
}

int eta_fw_interrupt_regions(struct eta_core *core, __u32 proc, const struct eta_fw_interrupt *i)
{
	__u32 k;

	if (i->resv || i->count > ETA_INTERRUPT_MAX)
		return -EINVAL;
	for (k = 0; k < i->count; k++) {
		struct eta_region_slot *slot = eta_region_slot_of(core, i->region[k]);

		/* A program that died meanwhile is no error of the accelerator. */
		if (slot && slot->client)
			core->ops->wake_region(core->host, i->region[k]);
	}
	if (i->agent)
		core->ops->agent_interrupt(core->host, proc);
	return 0;
}

static int name_ok(const char *s, __u32 size)
{
	__u32 i;

	for (i = 0; i < size && s[i]; i++) {
		if (s[i] == '/' || s[i] <= ' ' || s[i] > '~')
			return 0;
	}
	return i && i < size && s[0] != '.';
}

int eta_fw_port_up(struct eta_core *core, __u32 proc, const struct eta_fw_port *p)
{
	static const __u8 none[6];
	__u32 i;

	for (i = 0; i < sizeof(p->resv) / sizeof(p->resv[0]); i++) {
		if (p->resv[i])
			return -EINVAL;
	}
	if (p->resv0[0] || p->resv0[1] || !name_ok(p->ifname, sizeof(p->ifname)) ||
	    !memchr(p->name, '\0', sizeof(p->name)) || p->mtu < 68 || p->mtu > 65535 ||
	    (p->mac[0] & 1) || !memcmp(p->mac, none, sizeof(none)))
		return -EINVAL;
	return core->ops->port_up(core->host, proc, p);
}
