/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules of the kernel agent: who may create what, quotas, life cycle of regions, DTIs and
 * listeners, publication of the mirrored tables. Plain C; compiled into eta_ka.ko, eta-agentd and
 * the unit tests. Not thread-safe: the host serialises every call (one mutex or one thread).
 * Must not allocate, sleep or call the kernel or libc on its own: memory is handed in, the rest
 * goes through struct eta_core_ops.
 *
 * A host does, in this order: eta_limits_default, eta_pool_layout, allocate the zeroed pool and
 * eta_core_mem_size() bytes of private memory, eta_core_init; then per descriptor an embedded
 * struct eta_client, eta_core_cmd for each command, eta_core_client_gone at its close; and
 * eta_core_drain when the accelerator interrupts the agent and about ten times a second.
 */
#ifndef ETA_CORE_H
#define ETA_CORE_H

#include <eta/ioctl.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ETA_CORE_PROCS_MAX 32u /* one bit per processor in the masks below */

/* Sizes of everything, chosen at start; quota_* may be changed while running. */
struct eta_limits {
	__u32 n_procs;
	__u32 n_ctx;     /* context slots, index 0 included */
	__u32 n_buckets; /* power of two */
	__u32 n_tw;
	__u32 n_listeners;
	__u32 n_regions;
	__u32 n_routes;
	__u32 n_neighs;
	__u32 n_addrs;
	__u32 eph_first;
	__u32 eph_last;
	__u32 max_dti;  /* of one region; power of two, at most 2^20 */
	__u32 rx_small; /* small receive buffers of one region */
	__u32 rx_large; /* large receive buffers of one region */
	__u64 tx_pool_size; /* send pool of one region, bytes, multiple of ETA_PAGE */
	__u32 quota_dti;     /* DTIs one region may create */
	__u32 quota_total;   /* DTIs all regions together may create */
	__u32 quota_regions; /* live regions of one user; root is not bound by it */
	__u32 quota_listeners; /* listeners of one region */
};

struct eta_core;
struct eta_client;

/* Address proved by a listening OS socket. */
struct eta_listen_addr {
	__u8 addr[ETA_ADDR_LEN]; /* all zero: any */
	__be16 port;
	__u8 family; /* AF_INET or AF_INET6 */
	__u8 v6only; /* IPV6_V6ONLY is set */
};

/* What the host does for the core. None may call back into the core, except where said. */
struct eta_core_ops {
	/* Creates the two zeroed objects of a region, map->ro_size and map->rw_size bytes, and
	 * returns a mapping of the first ETA_PAGE bytes of the RO object in *ro. 0 or -errno. */
	int (*region_create)(void *host, __u32 region, const struct eta_region_map *map,
			     struct eta_client *client, struct eta_region_ro **ro);
	void (*region_destroy)(void *host, __u32 region);
	/* Access to the RO object beyond its first page. 0 or -errno. */
	int (*ro_write)(void *host, __u32 region, __u64 off, const void *data, __u32 len);
	int (*ro_read)(void *host, __u32 region, __u64 off, void *data, __u32 len);
	/* Zeroes one slot of the context table; only called while no accelerator runs. */
	void (*ctx_clear)(void *host, __u32 ctx);
	/* Wakes the program blocked on the region (wait descriptor becomes readable). */
	void (*wake_region)(void *host, __u32 region);
	/* Wakes the accelerator of the processor (its wait descriptor becomes readable). */
	void (*wake_fw)(void *host, __u32 proc);
	/* The accelerator wants the agent to look at its queues: must lead to eta_core_drain()
	 * and a look at the raw packet rings, soon but after the current core call returned. */
	void (*agent_interrupt)(void *host, __u32 proc);
	/* Checks that os_fd is a TCP socket of the agent's network namespace in the LISTEN state
	 * and reports its address. -ENOTSOCK, -EPROTONOSUPPORT, -EDESTADDRREQ, -EXDEV. */
	int (*listen_check)(void *host, struct eta_client *client, __s32 os_fd,
			    struct eta_listen_addr *out);
	/* Creates or updates the raw packet interface. 0, -EEXIST, -EPERM, ... */
	int (*port_up)(void *host, __u32 proc, const struct eta_fw_port *port);
	/* An accelerator was attached (up) or is gone. May be null. */
	void (*fw_changed)(void *host, __u32 proc, int up);
	/* The accelerator needs the MAC of this next hop. */
	void (*neigh_wanted)(void *host, const __u8 *addr);
};

/* One descriptor of the agent. Embedded in the host's own object; zeroed, then the host fills in
 * the first part before the first command. */
struct eta_client {
	/* -- host -- */
	__u32 uid;
	__u32 pid;  /* thread group leader */
	__u32 privileged; /* non-zero: may be accelerator or observer (CAP_NET_ADMIN) */
	__u32 foreign;    /* non-zero: other network namespace than the agent's */
	char comm[16];
	/* -- core -- */
	__u32 role;   /* 0 until attached */
	__u32 region; /* APP */
	__u32 proc;   /* FW */
};

/* Private state of a region slot. */
struct eta_region_slot {
	struct eta_client *client; /* null once dying */
	struct eta_region_ro *ro;  /* first page of the RO object; null: slot free */
	__u64 ro_size;
	__u64 rw_size;
	__u32 ctx_head; /* list of its context slots through eta_core.ctx_next */
	__u32 n_listeners; /* entries of the listener table that name it */
	__u32 gone_wait;   /* processors that still owe ETA_KQ_REGION_GONE */
	__u32 note_wait;   /* processors whose queue was full for ETA_KQ_REGION_DYING */
};

/* Private state of a listener table entry. */
#define ETA_LISTENER_FREE 0u
#define ETA_LISTENER_LIVE 1u
#define ETA_LISTENER_DYING 2u
struct eta_listener_slot {
	__u32 state;     /* ETA_LISTENER_* */
	__u32 gone_wait; /* processors that still owe ETA_KQ_LISTEN_GONE */
	__u32 note_wait; /* processors whose queue was full for ETA_KQ_LISTEN_DEL */
	__u32 resv;
};

/* The agent. Owned by the host; every field private to the core unless the comment says so. */
struct eta_core {
	struct eta_limits limits; /* host may change the quota_ fields */
	const struct eta_core_ops *ops;
	void *host;
	/* -- sections of the pool -- */
	struct eta_pool_hdr *hdr; /* host may read these */
	struct eta_proc *proc;
	struct eta_owner *owner;
	struct eta_listener *listener;
	struct eta_region_desc *region;
	struct eta_route *route;
	struct eta_neigh *neigh;
	struct eta_addr *addr;
	struct eta_kq *to_fw;
	struct eta_kq *to_agent;
	/* -- private memory -- */
	__u32 *ctx_next;
	struct eta_region_slot *region_slot;
	struct eta_listener_slot *listener_slot;
	struct eta_route *route_new; /* staged tables */
	struct eta_neigh *neigh_new;
	struct eta_addr *addr_new;
	struct eta_client *fw[ETA_CORE_PROCS_MAX];
	/* -- scalars -- */
	__u32 fw_mask;    /* host may read: processors with an accelerator */
	__u32 ctx_free;   /* head of the free list */
	__u32 ctx_fresh;  /* first slot never given away yet */
	__u32 n_dti;      /* host may read: context slots given away */
	__u32 n_live;     /* host may read: live regions */
	__u32 n_dying;    /* host may read: dying regions */
	__u32 notes_wait; /* region and listener slots with note_wait */
	__u32 region_hint;
	__u32 listener_hint;
};

/* layout.c */
void eta_limits_default(struct eta_limits *l);
/* Fills in counts and offsets of the pool. -EINVAL: limits make no sense. */
int eta_pool_layout(const struct eta_limits *l, struct eta_pool_hdr *hdr);
/* Bytes from the start of the pool that the core itself touches (the context table, hash and
 * TIME_WAIT table lie behind them). */
__u64 eta_pool_agent_size(const struct eta_pool_hdr *hdr);
/* Initialises the head of a zeroed pool: header with magic, version and epoch. Also useful to
 * tests that have no agent. */
void eta_pool_init(void *pool, const struct eta_pool_hdr *layout, __u64 epoch);
int eta_region_layout(const struct eta_limits *l, struct eta_region_map *map);
/* Initialises the first page of the zeroed RO object. */
void eta_region_init(struct eta_region_ro *ro, const struct eta_region_map *map, __u32 region,
		     __u32 fw_down);

/* core.c and cmd.c */
__u64 eta_core_mem_size(const struct eta_limits *l);
/* pool: eta_pool_agent_size() bytes at least, zeroed; mem: eta_core_mem_size() bytes, zeroed. */
int eta_core_init(struct eta_core *core, const struct eta_limits *l, void *pool, void *mem,
		  __u64 epoch, const struct eta_core_ops *ops, void *host);
/* One command. payload is the command's struct, copied from the caller, answered in place.
 * size must be its exact size. 0 or -errno; -ENOTTY: unknown command. */
int eta_core_cmd(struct eta_core *core, struct eta_client *client, __u32 cmd, void *payload,
		 __u32 size);
/* The descriptor was closed or its program died. Harmless if nothing was attached. */
void eta_core_client_gone(struct eta_core *core, struct eta_client *client);
/* Takes notes from the accelerators and repeats notes that found a queue full. */
void eta_core_drain(struct eta_core *core);
/* Frees every region regardless of connections: the agent itself ends. */
void eta_core_fini(struct eta_core *core);

/* tables.c: staged tables. set: adds, or replaces the entry with the same key (address;
 * destination, prefix length and metric; address). -ENOSPC: table full. del: -ENOENT.
 * commit: publishes what differs under hdr->tables_seq; returns non-zero if anything did. */
void eta_tables_reset(struct eta_core *core);
int eta_tables_set_addr(struct eta_core *core, const struct eta_addr *a);
int eta_tables_del_addr(struct eta_core *core, const struct eta_addr *a);
int eta_tables_set_route(struct eta_core *core, const struct eta_route *r);
int eta_tables_del_route(struct eta_core *core, const struct eta_route *r);
int eta_tables_set_neigh(struct eta_core *core, const struct eta_neigh *n);
int eta_tables_del_neigh(struct eta_core *core, const struct eta_neigh *n);
int eta_tables_commit(struct eta_core *core);
/* ::ffff:a.b.c.d from an IPv4 address in network byte order. */
void eta_addr_from_v4(__u8 *out, __be32 v4);

#ifdef __cplusplus
}
#endif

#endif /* ETA_CORE_H */
