// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel-space queues between the agent and each accelerator: the agent is the only producer of
 * to_fw and the only consumer of to_agent. Bounded; a full queue is the caller's to handle.
 */
#include "internal.h"

static __u32 room_of(const struct eta_core *core, __u32 proc)
{
	const struct eta_proc *p = &core->proc[proc];

	return eta_ring_room(p->to_fw_prod, &p->to_fw_cons, ETA_KQ_DEPTH);
}

int eta_kq_room(const struct eta_core *core)
{
	__u32 proc;

	for (proc = 0; proc < core->limits.n_procs; proc++) {
		if ((core->fw_mask & (1u << proc)) && !room_of(core, proc))
			return 0;
	}
	return 1;
}

static int post_one(struct eta_core *core, __u32 proc, __u32 op, __u32 a)
{
	struct eta_proc *p = &core->proc[proc];
	struct eta_kq *q = core->to_fw + (__u64)proc * ETA_KQ_DEPTH;
	__u32 prod = p->to_fw_prod;
	struct eta_kq *e = &q[prod & (ETA_KQ_DEPTH - 1)];

	if (!room_of(core, proc))
		return -ENOSPC;
	memset(e, 0, sizeof(*e));
	e->op = op;
	e->a = a;
	eta_ring_publish(&p->to_fw_prod, prod + 1);
	eta_full_barrier(); /* F, matches E of the accelerator going to sleep */
	if (eta_load_once(&p->asleep))
		core->ops->wake_fw(core->host, proc);
	return 0;
}

__u32 eta_kq_post(struct eta_core *core, __u32 mask, __u32 op, __u32 a)
{
	__u32 full = 0;
	__u32 proc;

	for (proc = 0; proc < core->limits.n_procs; proc++) {
		if ((mask & (1u << proc)) && post_one(core, proc, op, a))
			full |= 1u << proc;
	}
	return full;
}

int eta_kq_take(struct eta_core *core, __u32 proc, struct eta_kq *out)
{
	struct eta_proc *p = &core->proc[proc];
	const struct eta_kq *q = core->to_agent + (__u64)proc * ETA_KQ_DEPTH;
	__u32 cons = p->to_agent_cons;
	__u32 ready = eta_ring_ready(&p->to_agent_prod, cons);

	if (!ready)
		return 0;
	if (ready > ETA_KQ_DEPTH) { /* an accelerator gone mad: start afresh behind it */
		eta_ring_release(&p->to_agent_cons, cons + ready);
		return 0;
	}
	*out = q[cons & (ETA_KQ_DEPTH - 1)];
	eta_ring_release(&p->to_agent_cons, cons + 1);
	return 1;
}
