/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The context of one connection: all that is needed to go on with it after the accelerator
 * was killed (law 2). Lives in the agent pool; written by the accelerator alone; one slot per DTI.
 * Ordered by cache line: receive, transmit, timers, identity, reassembly, cold.
 * Sequence numbers are host byte order; stream positions are 64-bit byte counts as in dti.h.
 */
#ifndef ETA_CTX_H
#define ETA_CTX_H

#include <eta/dti.h>

/* eta_ctx.state: RFC 9293 3.3.2, and FREE. */
#define ETA_TCP_FREE 0u
#define ETA_TCP_LISTEN 1u
#define ETA_TCP_SYN_SENT 2u
#define ETA_TCP_SYN_RCVD 3u
#define ETA_TCP_ESTABLISHED 4u
#define ETA_TCP_FIN_WAIT_1 5u
#define ETA_TCP_FIN_WAIT_2 6u
#define ETA_TCP_CLOSE_WAIT 7u
#define ETA_TCP_CLOSING 8u
#define ETA_TCP_LAST_ACK 9u
#define ETA_TCP_TIME_WAIT 10u /* only until the last ACK is out; then a struct eta_tw */

/* eta_ctx.flags */
#define ETA_CTX_F_TS (1u << 0)       /* timestamps agreed (RFC 7323) */
#define ETA_CTX_F_WSCALE (1u << 1)   /* window scaling agreed (RFC 7323) */
#define ETA_CTX_F_SACK (1u << 2)     /* peer permits SACK (RFC 2018) */
#define ETA_CTX_F_LOCAL (1u << 3)    /* peer is a program of this accelerator: no wire */
#define ETA_CTX_F_ORPHAN (1u << 4)   /* the application closed or died: finish without it */
#define ETA_CTX_F_FIN_QUEUED (1u << 5) /* application asked for FIN after the last byte */
#define ETA_CTX_F_FIN_SENT (1u << 6)
#define ETA_CTX_F_RX_FIN (1u << 7)   /* peer's FIN is in sequence and consumed */
#define ETA_CTX_F_PASSIVE (1u << 8)  /* opened by a SYN from the peer */
#define ETA_CTX_F_RECOVERY (1u << 9) /* in fast recovery (RFC 6582) */
#define ETA_CTX_F_ACK_NOW (1u << 10) /* owe an ACK this turn */
#define ETA_CTX_F_RTT_BUSY (1u << 11) /* a segment is being timed (RFC 6298 3) */
#define ETA_CTX_F_POSTED (1u << 12)  /* FREE, and a child of `listener` that waits for a client */
#define ETA_CTX_F_REXMIT (1u << 13)  /* send the segment at snd_una again this turn */
#define ETA_CTX_F_PROBE (1u << 14)   /* send something although window or Nagle forbid it */
#define ETA_CTX_F_PROBING (1u << 15) /* a zero-window probe is unanswered (RFC 9293 3.8.6.1) */
#define ETA_CTX_F_KEEP_PROBE (1u << 16) /* send a keepalive probe this turn */
#define ETA_CTX_F_FIN_AHEAD (1u << 17) /* peer's FIN came above a hole, at rcv_fin */
#define ETA_CTX_F_NO_ROUTE (1u << 18) /* dmac is not known yet */
#define ETA_CTX_F_QUEUED (1u << 19) /* passive open: it is in the accept ring */

#define ETA_OOO_MAX 8u  /* intervals of out-of-order data remembered for one connection */
#define ETA_SACK_MAX 8u /* intervals the peer has reported by SACK that are remembered */

/* eta_ctx.cc: congestion control of the connection. */
#define ETA_CC_NEWRENO 0u
#define ETA_CC_NONE 1u /* same accelerator: nothing to congest */

/* A range of sequence space: received above rcv_nxt, or reported above snd_una. */
struct eta_ooo {
	__u32 start; /* first sequence number */
	__u32 end;   /* one past the last */
};

struct eta_ctx {
	/* -- line 0: receive -- */
	__u32 state;    /* ETA_TCP_* */
	__u32 flags;    /* ETA_CTX_F_* */
	__u32 rcv_nxt;  /* next sequence number expected */
	__u32 rcv_adv;  /* right edge of the window last advertised */
	__u64 rx_tail;  /* stream position of rcv_nxt (a consumed FIN not counted) */
	__u64 rx_head;  /* how far the application has read (checked copy) */
	__u32 rcv_buf;  /* receive buffer limit, bytes */
	__u32 ts_recent; /* RFC 7323 TS.Recent */
	__u32 rq_head;  /* receive buffers taken back */
	__u32 rq_tail;  /* receive buffers handed out */
	__u32 irs;      /* initial receive sequence number */
	__u32 ooo_count; /* entries in use in ooo[] */
	__u32 ack_pending; /* received segments not yet acknowledged (RFC 9293 3.8.6.3) */
	__u32 last_ack_sent; /* RFC 7323 Last.ACK.sent */
	/* -- line 1: transmit -- */
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 snd_max;  /* highest sequence number ever sent */
	__u32 snd_wnd;  /* peer's window, scaled, bytes */
	__u32 snd_wl1;
	__u32 snd_wl2;
	__u32 cwnd;     /* bytes */
	__u32 ssthresh; /* bytes */
	__u64 tx_acked; /* stream position of snd_una */
	__u64 tx_tail;  /* bytes the application has published (checked copy) */
	__u32 sq_una;   /* send queue entry that holds snd_una, free-running index */
	__u32 sq_una_off; /* bytes of that entry already acknowledged */
	__u32 sq_tail;  /* entries published (checked copy) */
	__u32 mss;      /* payload bytes per segment, options already taken off */
	/* -- line 2: timers and recovery -- */
	__u64 rto_deadline_us;   /* 0: not running; also zero-window probe and FIN */
	__u64 delack_deadline_us; /* 0: not running */
	__u64 keep_deadline_us;  /* 0: not running; also FIN_WAIT_2 and orphan limit */
	__u64 last_rx_us;        /* last segment received */
	__u32 rto_us;            /* RFC 6298 RTO; doubled `backoff` times when the timer starts */
	__u32 srtt_us;           /* 0: no sample yet */
	__u32 rttvar_us;
	__u32 backoff;           /* doublings of the RTO */
	__u32 dupacks;
	__u32 recover;           /* RFC 6582 recover */
	__u32 rtt_seq;           /* end of the segment being timed */
	__u32 max_wnd;           /* largest window the peer ever offered (RFC 9293 3.8.6.2.1) */
	/* -- line 3: identity -- */
	__u8 laddr[ETA_ADDR_LEN];
	__u8 raddr[ETA_ADDR_LEN];
	__be16 lport;
	__be16 rport;
	__u32 hash;     /* symmetric hash of the 4-tuple */
	__u8 dmac[6];   /* next hop */
	__u8 snd_wscale; /* shift of windows the peer sends */
	__u8 rcv_wscale; /* shift of windows we send */
	__u32 region;   /* of the application that owns it; ETA_NONE once released */
	__u32 local;    /* DTI index in that region */
	__u32 listener; /* passive open: index in the listener table, else 0 */
	__u32 resv_id; /* zero */
	/* -- line 4: reassembly -- */
	struct eta_ooo ooo[ETA_OOO_MAX];
	/* -- line 5: cold -- */
	__u64 created_us;
	__u64 rtt_start_us; /* when rtt_seq was sent */
	__u32 iss;
	__u32 retrans;      /* segments retransmitted */
	__u32 gen;          /* incarnation, as eta_dti_fw.gen */
	__u32 ctl;          /* checked copy of eta_dti_app.ctl */
	__u32 err;          /* errno to report */
	__u32 ts_offset;    /* added to the clock in TSval (RFC 7323 5.4) */
	__u32 segs_in;
	__u32 segs_out;
	__u32 master;       /* passive open: local index of the master DTI + 1 */
	__u32 probes;       /* keepalive probes unanswered */
	__u32 bytes_acked;  /* for congestion avoidance (RFC 3465) */
	__u32 resv0;        /* zero */
	/* -- line 6: transmit, second part -- */
	__u64 last_tx_us;   /* last data sent, for restart after idle (RFC 5681 4.1) */
	__u64 challenge_us; /* last challenge ACK (RFC 5961 7) */
	__u32 snd_sml;      /* end of the last segment shorter than mss (Nagle, Minshall) */
	__u32 rcv_fin;      /* sequence number of the peer's FIN, with FIN_AHEAD */
	__u32 ooo_recent;   /* start of the newest out-of-order segment (RFC 2018 4) */
	__u32 retries;      /* timeouts without any answer */
	__u32 cc;           /* ETA_CC_* */
	__u32 high_rxt;     /* RFC 6675 HighRxt: recovery has resent below it */
	__u32 sack_count;   /* entries in use in sacked[] */
	__u32 mss_inverse;  /* 2^32 / mss rounded up: division by mss without a division */
	__u32 resv1[4];     /* zero */
	/* -- line 7: what the peer has reported (RFC 2018), sorted -- */
	struct eta_ooo sacked[ETA_SACK_MAX];
};

/* eta_tw.kind */
#define ETA_TW_FREE 0u
#define ETA_TW_TIME_WAIT 1u /* both sides have finished */
#define ETA_TW_RESET 2u     /* reset: what is still on its way finds nobody, and not the OS stack */

/* A connection that is over but not forgotten. 64 bytes, accelerator. The DTI is free again. */
struct eta_tw {
	__u8 laddr[ETA_ADDR_LEN];
	__u8 raddr[ETA_ADDR_LEN];
	__be16 lport;
	__be16 rport;
	__u32 hash;
	__u32 snd_nxt;
	__u32 rcv_nxt;
	__u32 ts_recent;
	__u32 ts_offset;
	__u32 kind;       /* ETA_TW_* */
	__u32 expires_ms; /* 2 MSL after entry (RFC 9293 3.6.1); low word, compare by difference */
};

/* Bucket of the context hash (E9, E20): one cache line, eight entries.
 * value: 0 empty; context index; or ETA_HASH_TW | index of a struct eta_tw. */
#define ETA_HASH_WAYS 8u
#define ETA_HASH_TW 0x80000000u
struct eta_bucket {
	__u32 tag[ETA_HASH_WAYS];   /* full 32-bit hash */
	__u32 value[ETA_HASH_WAYS];
};

#endif /* ETA_CTX_H */
