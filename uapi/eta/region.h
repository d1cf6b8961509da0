/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The two memory objects of an application region (E2) and the rings inside them.
 *
 *   ring       entry                 producer      consumer      dedupe
 *   doorbell   __u32 local DTI       application   accelerator   db_seq / db_ack
 *   event      __u32 local DTI       accelerator   application   ev_seq / ev_ack
 *   child      struct eta_child      application   accelerator   a DTI is posted once
 *   accept     struct eta_child      accelerator   application   a child becomes ready once
 *
 * Each ring has at least max_dti entries and each DTI at most one entry in it, so no ring of a
 * well-behaved program overflows. A program that overruns its own rings is closed and counted.
 */
#ifndef ETA_REGION_H
#define ETA_REGION_H

#include <eta/dti.h>

/* Entry of the child ring (a free DTI offered to a master) and of the accept ring. */
struct eta_child {
	__u32 master; /* local index of the master DTI */
	__u32 child;  /* local index of the child DTI */
};

/* Where things lie. Written by the agent at creation, never changed. All offsets in bytes. */
struct eta_region_map {
	__u32 magic;        /* ETA_ABI_MAGIC */
	__u32 version;      /* ETA_ABI_VERSION */
	__u32 region;       /* own index in the agent's region table */
	__u32 max_dti;      /* capacity, power of two; also the size of the four rings, entries */
	__u64 ro_size;      /* size of the RO object */
	__u64 ro_fw_off;    /* struct eta_dti_fw[max_dti] */
	__u64 ro_rq_off;    /* struct eta_rqe[max_dti][ETA_RQ_DEPTH] */
	__u64 ro_event_off; /* __u32[max_dti] */
	__u64 ro_accept_off; /* struct eta_child[max_dti] */
	__u64 ro_ctx_off;   /* __u32[max_dti]: context index of each local DTI, 0: not created */
	__u64 ro_pool_off;  /* receive pool: small buffers, then large ones */
	__u64 rw_size;      /* size of the RW object */
	__u64 rw_app_off;   /* struct eta_dti_app[max_dti] */
	__u64 rw_sq_off;    /* struct eta_sqe[max_dti][ETA_SQ_DEPTH] */
	__u64 rw_doorbell_off; /* __u32[max_dti] */
	__u64 rw_child_off; /* struct eta_child[max_dti] */
	__u64 rw_pool_off;  /* send pool: its inner order is the application's business */
	__u32 rx_small;     /* small buffers in the receive pool */
	__u32 rx_large;     /* large buffers in the receive pool */
	__u64 tx_pool_size; /* size of the send pool */
	__u64 resv[15];     /* zero */
};

/* First page of the RO object. */
struct eta_region_ro {
	/* -- lines 0..3: agent, constant -- */
	struct eta_region_map map;
	/* -- line 4: agent -- */
	__u32 n_dti;      /* DTIs created so far: local indices below it are valid */
	__u32 fw_down;    /* non-zero while no accelerator runs */
	__u32 resv0[14];  /* zero */
	/* -- line 5: accelerator -- */
	__u32 doorbell_cons; /* consumer index of the doorbell ring */
	__u32 child_cons;    /* consumer index of the child ring */
	__u32 resv1[14];     /* zero */
	/* -- line 6: accelerator -- */
	__u32 event_prod;  /* producer index of the event ring */
	__u32 accept_prod; /* producer index of the accept ring */
	__u32 fired_seq;   /* last armed_seq for which an interrupt was raised */
	__u32 closed_bad;  /* DTIs closed because of a bad descriptor or index */
	__u32 resv2[12];   /* zero */
	/* -- line 7: accelerator -- */
	__u32 fw_asleep; /* non-zero: ring doorbell by a kick as well (copy of eta_proc.asleep) */
	__u32 resv3[15]; /* zero */
};

/* First page of the RW object. */
struct eta_region_rw {
	/* -- line 0: application -- */
	__u32 doorbell_prod; /* producer index of the doorbell ring */
	__u32 child_prod;    /* producer index of the child ring */
	__u32 resv0[14];     /* zero */
	/* -- line 1: application -- */
	__u32 event_cons;  /* consumer index of the event ring */
	__u32 accept_cons; /* consumer index of the accept ring */
	__u32 armed_seq;   /* bumped before blocking: one interrupt wanted at the next event */
	__u32 resv1[13];   /* zero */
};

#endif /* ETA_REGION_H */
