/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The agent pool: control tables shared by the kernel agent and both engines (E9).
 * Never mapped by an application. Sections follow the header at the offsets it names.
 */
#ifndef ETA_POOL_H
#define ETA_POOL_H

#include <eta/ctx.h>

#define ETA_COUNTERS_MAX 256u /* __u64 counters of one processor */
#define ETA_KQ_DEPTH 4096u    /* entries of each kernel-space queue */
#define ETA_RAW_DEPTH 512u    /* frames of each raw packet ring */
#define ETA_RAW_FRAME 2048u   /* bytes of one raw packet slot, struct eta_raw included */
#define ETA_PORT_NAME 48u     /* bytes of a port name with its zero */

/* State of the accelerator on one processor (E19, N6). 256 bytes. */
struct eta_proc {
	/* -- line 0: accelerator -- */
	__u64 heartbeat_ns; /* CLOCK_MONOTONIC, at least every 100 ms while alive */
	__u32 pid;          /* 0: not running */
	__u32 cpu;
	__u32 attachments;  /* how often firmware has taken this processor over */
	__u32 asleep;       /* non-zero: wants a kick */
	__u64 busy_ns;      /* time spent in turns that found work */
	__u64 turns;
	__u32 mtu;          /* of the port, bytes */
	__u32 n_conn;       /* contexts in use */
	__u8 mac[6];        /* of the port */
	__u8 resv0[2];      /* zero */
	__u32 resv1[2];     /* zero */
	/* -- line 1: accelerator -- */
	char port[ETA_PORT_NAME]; /* as given on the command line */
	__u32 resv2[4];           /* zero */
	/* -- line 2: accelerator: queue indices -- */
	__u32 to_fw_cons;    /* kernel-space queue agent -> accelerator */
	__u32 to_agent_prod; /* kernel-space queue accelerator -> agent */
	__u32 raw_rx_prod;   /* raw packets accelerator -> OS */
	__u32 raw_tx_cons;   /* raw packets OS -> accelerator */
	__u32 resv3[12];     /* zero */
	/* -- line 3: agent: queue indices -- */
	__u32 to_fw_prod;
	__u32 to_agent_cons;
	__u32 raw_rx_cons;
	__u32 raw_tx_prod;
	__u32 raw_rx_armed;  /* the agent sleeps: interrupt it for raw packets */
	__u32 resv4[11];     /* zero */
};

/* First page of the pool. */
struct eta_pool_hdr {
	/* -- lines 0..3: agent, constant -- */
	__u32 magic;
	__u32 version;
	__u64 epoch;     /* random, new for each life of the agent */
	__u64 size;      /* bytes of the whole pool */
	__u32 n_procs;
	__u32 n_ctx;     /* context slots; also entries of owner[] */
	__u32 n_buckets; /* power of two */
	__u32 n_tw;
	__u32 n_listeners;
	__u32 n_regions;
	__u32 n_routes;
	__u32 n_neighs;
	__u32 n_addrs;
	__u32 eph_first; /* ephemeral ports of the accelerator, inclusive */
	__u32 eph_last;
	__u32 resv0;     /* zero */
	__u64 proc_off;     /* struct eta_proc[n_procs] */
	__u64 owner_off;    /* struct eta_owner[n_ctx] */
	__u64 ctx_off;      /* struct eta_ctx[n_ctx] */
	__u64 hash_off;     /* struct eta_bucket[n_buckets] */
	__u64 tw_off;       /* struct eta_tw[n_tw] */
	__u64 listener_off; /* struct eta_listener[n_listeners] */
	__u64 region_off;   /* struct eta_region_desc[n_regions] */
	__u64 route_off;    /* struct eta_route[n_routes] */
	__u64 neigh_off;    /* struct eta_neigh[n_neighs] */
	__u64 addr_off;     /* struct eta_addr[n_addrs] */
	__u64 counter_off;  /* __u64[n_procs][ETA_COUNTERS_MAX] */
	__u64 to_fw_off;    /* struct eta_kq[n_procs][ETA_KQ_DEPTH] */
	__u64 to_agent_off; /* struct eta_kq[n_procs][ETA_KQ_DEPTH] */
	__u64 raw_rx_off;   /* u8[n_procs][ETA_RAW_DEPTH][ETA_RAW_FRAME], accelerator -> OS */
	__u64 raw_tx_off;   /* u8[n_procs][ETA_RAW_DEPTH][ETA_RAW_FRAME], OS -> accelerator */
	__u64 resv1[8];     /* zero */
	/* -- line 4: agent -- */
	__u32 tables_seq; /* odd while routes, neighbours or addresses change (sequence counter) */
	__u32 resv2[15];  /* zero */
};

/* Who owns a context slot. 16 bytes, agent. */
struct eta_owner {
	__u32 region; /* ETA_NONE: slot is free */
	__u32 local;  /* DTI index in the region */
	__u32 gen;    /* bumped each time the slot is given away */
	__u32 resv;   /* zero */
};

/* A listening address. 64 bytes, agent. One entry per replica (one process, one master DTI). */
struct eta_listener {
	__u32 region;  /* ETA_NONE: entry is free */
	__u32 local;   /* master DTI */
	__u32 backlog; /* ready but not accepted connections allowed */
	__be16 port;
	__u8 family;   /* AF_INET or AF_INET6 */
	__u8 resv0;    /* zero */
	__u8 addr[ETA_ADDR_LEN]; /* all zero: any */
	__u32 ctx;     /* context of the master DTI */
	__u32 resv1[7]; /* zero */
};

/* eta_region_desc.state */
#define ETA_REGION_FREE 0u
#define ETA_REGION_LIVE 1u
#define ETA_REGION_DYING 2u /* program gone; the accelerator still drains its connections */

/* A region as the agent sees it. 64 bytes, agent. */
struct eta_region_desc {
	__u32 state; /* ETA_REGION_* */
	__u32 pid;   /* thread group leader that attached */
	__u32 uid;
	__u32 max_dti;
	__u32 n_dti;
	__u32 gen;   /* bumped for each use of the slot */
	char comm[16]; /* program name, zero-terminated */
	__u32 resv[6]; /* zero */
};

/* Mirror of the OS's tables (E13). */
struct eta_addr {
	__u8 addr[ETA_ADDR_LEN];
	__u32 plen;   /* prefix length of the 16-byte form: IPv4 /24 is 120 */
	__u32 on_lo;  /* non-zero: an address of the loopback interface */
	__u32 valid;  /* non-zero: entry in use */
	__u32 resv;   /* zero */
};

/* eta_route.valid. The second kind keeps a longer prefix of another interface from being taken
 * for ours. */
#define ETA_ROUTE_PORT 1u      /* through our port: a route of the raw packet interface */
#define ETA_ROUTE_ELSEWHERE 2u /* through another interface: the OS stack's business */
struct eta_route {
	__u8 dst[ETA_ADDR_LEN];
	__u8 gw[ETA_ADDR_LEN];  /* all zero: on link */
	__u8 src[ETA_ADDR_LEN]; /* preferred source; all zero: none */
	__u32 plen;   /* prefix length of the 16-byte form */
	__u32 metric;
	__u32 mtu;    /* 0: of the port */
	__u32 valid;  /* ETA_ROUTE_*; 0: entry is free */
};

struct eta_neigh {
	__u8 addr[ETA_ADDR_LEN];
	__u8 mac[6];
	__u8 resv[2]; /* zero */
	__u32 valid;  /* non-zero: usable MAC */
	__u32 resv1;  /* zero */
};

/* Kernel-space queue entry. 64 bytes, producer of the queue. */
#define ETA_KQ_REGION_ADD 1u    /* to_fw: a = region */
#define ETA_KQ_REGION_DYING 2u  /* to_fw: a = region; finish its connections */
#define ETA_KQ_LISTEN_ADD 3u    /* to_fw: a = listener index */
#define ETA_KQ_LISTEN_DEL 4u    /* to_fw: a = listener index */
#define ETA_KQ_REGION_GONE 16u  /* to_agent: a = region; no context of it is in use any more */
#define ETA_KQ_NEIGH_WANTED 17u /* to_agent: addr = next hop to resolve */
#define ETA_KQ_LISTEN_GONE 18u  /* to_agent: a = listener index; entry may be used again */
struct eta_kq {
	__u32 op; /* ETA_KQ_* */
	__u32 a;
	__u32 b;
	__u32 resv; /* zero */
	__u8 addr[ETA_ADDR_LEN];
	__u32 resv1[8]; /* zero */
};

/* Head of a raw packet slot; the frame follows, Ethernet header first. */
struct eta_raw {
	__u32 len;  /* bytes of the frame, at most ETA_RAW_FRAME - 8 */
	__u32 resv; /* zero */
};

#endif /* ETA_POOL_H */
