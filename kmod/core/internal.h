/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls between the files of the core. Not for hosts.
 */
#ifndef ETA_CORE_INTERNAL_H
#define ETA_CORE_INTERNAL_H

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <stddef.h>
#include <string.h>
#endif

#include <eta/ring_ops.h>

#include "core.h"

/* kq.c: producer of to_fw, consumer of to_agent. */
/* Non-zero: every running accelerator has room for one more note. */
int eta_kq_room(const struct eta_core *core);
/* Posts to the processors of `mask` and wakes them; returns those whose queue was full. */
__u32 eta_kq_post(struct eta_core *core, __u32 mask, __u32 op, __u32 a);
/* Next note of the accelerator, copied. 0: none. */
int eta_kq_take(struct eta_core *core, __u32 proc, struct eta_kq *out);

/* region.c */
/* Slot of a live or dying region, or null. */
struct eta_region_slot *eta_region_slot_of(struct eta_core *core, __u32 region);
int eta_region_attach(struct eta_core *core, struct eta_client *client, struct eta_attach *a);
void eta_region_dying(struct eta_core *core, __u32 region);
/* Frees the slot if nobody needs it any more. */
void eta_region_put(struct eta_core *core, __u32 region);
void eta_region_on_gone(struct eta_core *core, __u32 proc, __u32 region);

/* dti.c */
int eta_dti_create(struct eta_core *core, __u32 region, struct eta_dti_create *c);
void eta_dti_free_all(struct eta_core *core, __u32 region);
/* Context of a created DTI, or ETA_NONE. */
__u32 eta_dti_ctx(struct eta_core *core, __u32 region, __u32 local);

/* listen.c */
int eta_listen_add(struct eta_core *core, struct eta_client *client, struct eta_listen *l);
int eta_listen_del(struct eta_core *core, __u32 region, __u32 listener);
void eta_listen_del_all(struct eta_core *core, __u32 region);
void eta_listen_on_gone(struct eta_core *core, __u32 proc, __u32 listener);

/* fw.c */
int eta_fw_attach(struct eta_core *core, struct eta_client *client, struct eta_attach *a);
void eta_fw_detach(struct eta_core *core, struct eta_client *client);
int eta_fw_map_region(struct eta_core *core, struct eta_fw_map *m);
int eta_fw_interrupt_regions(struct eta_core *core, __u32 proc,
			     const struct eta_fw_interrupt *i);
int eta_fw_port_up(struct eta_core *core, __u32 proc, const struct eta_fw_port *p);

#endif /* ETA_CORE_INTERNAL_H */
