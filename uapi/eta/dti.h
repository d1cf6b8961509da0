/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * One Direct Transport Interface (DTI): send queue, receive queue and the two status blocks.
 *
 * A DTI carries a byte stream each way. Positions in a stream are free-running 64-bit byte counts.
 *
 * SEND. The application puts bytes into a buffer of its pool and describes the buffer by an
 * ETA_OP_SEND entry. The newest SEND entry of the queue is "open": bytes are valid up to
 * eta_dti_app.tx_tail, and more may be added behind them without a new entry. Before another
 * entry is published, the final length is stored in the open one. An entry leaves the queue
 * (eta_dti_fw.sq_head) when all its bytes are acknowledged; its buffer is the application's again.
 * A buffer whose bytes are all acknowledged (tx_acked == tx_tail) may be reused at once, even
 * while its entry is still the open one, provided nothing is added to it afterwards.
 *
 * RECEIVE. The accelerator places bytes, in and out of order, at their stream position in buffers
 * it takes from the region's receive pool, and describes the buffers in the receive queue.
 * Buffer k holds positions [start_k, start_k + cap_k) with start_(k+1) = start_k + cap_k.
 * Bytes up to eta_dti_fw.rx_tail may be read. The application reports how far it has read in
 * rx_head; the accelerator takes buffers back when rx_head has passed them, and also the partly
 * filled last one when rx_head == rx_tail.
 */
#ifndef ETA_DTI_H
#define ETA_DTI_H

#include <eta/abi.h>

/* Send queue operations. */
#define ETA_OP_SEND 1u        /* bytes; off and len name a buffer of region key `key` */
#define ETA_OP_CONNECT 2u     /* off names a struct eta_connect in the send pool */
#define ETA_OP_SHUTDOWN_WR 3u /* FIN after all bytes before it */
#define ETA_OP_CLOSE 4u       /* FIN after all bytes before it; the application is gone */
#define ETA_OP_ABORT 5u       /* RST now */

/* Send queue entry. 16 bytes, written by the application. */
struct eta_sqe {
	__u8 op;   /* ETA_OP_* */
	__u8 resv; /* zero */
	__u16 key; /* 0: the region's send pool; others: registered memory */
	__u32 len; /* bytes; of the open SEND entry: not read by the accelerator */
	__u64 off; /* from the start of the memory that `key` names, bytes */
};

/* Receive queue entry. 16 bytes, written by the accelerator. */
struct eta_rqe {
	__u64 start; /* stream position of the buffer's first byte */
	__u32 off;   /* from the start of the region's receive pool, bytes / 64 */
	__u32 cap;   /* ETA_BUF_SMALL or ETA_BUF_LARGE, bytes */
};

/* Argument of ETA_OP_CONNECT. 64 bytes, written by the application. */
struct eta_connect {
	__u8 daddr[ETA_ADDR_LEN]; /* peer, network byte order */
	__u8 saddr[ETA_ADDR_LEN]; /* own address or all zero: chosen by the routing table */
	__be16 dport;             /* peer port */
	__be16 sport;             /* zero: chosen by the accelerator (RFC 6056); others: -EPERM */
	__u32 resv[7];            /* zero */
};

/* States of a DTI as the application sees them (eta_dti_fw.state). */
#define ETA_DTI_FREE 0u        /* owned by the application, no connection */
#define ETA_DTI_CONNECTING 1u  /* CONNECT fetched, handshake under way */
#define ETA_DTI_ESTABLISHED 2u /* may send and receive */
#define ETA_DTI_LISTENING 3u   /* master DTI */
#define ETA_DTI_CLOSED 4u      /* connection over, err says why; may be recycled */

/* eta_dti_fw.flags; each is set once in the life of a connection. */
#define ETA_DTI_F_RX_FIN (1u << 0) /* peer closed: end of stream is at rx_tail */
#define ETA_DTI_F_RESET (1u << 1)  /* connection was reset or timed out; err says which */
#define ETA_DTI_F_TX_FIN (1u << 2) /* our FIN was acknowledged */
#define ETA_DTI_F_LOCAL (1u << 3)  /* the peer is a program of the same accelerator */

/* Special value of eta_dti_fw.err: no ETA listener at that local address, use the OS stack. */
#define ETA_ERR_USE_OS 4096u

/* Status block A of a DTI: 128 bytes, region RO. Line 0 hot, line 1 cold. */
struct eta_dti_fw {
	/* -- line 0: accelerator -- */
	__u32 state;    /* ETA_DTI_* */
	__u32 flags;    /* ETA_DTI_F_* */
	__u32 err;      /* positive errno or ETA_ERR_USE_OS, 0: none; valid once CLOSED */
	__u32 gen;      /* incarnation: counts connections carried by this DTI */
	__u64 rx_tail;  /* stream bytes that may be read */
	__u64 tx_acked; /* stream bytes the peer has acknowledged */
	__u32 sq_head;  /* send queue entries retired, free-running */
	__u32 rq_head;  /* receive buffers taken back, free-running */
	__u32 rq_tail;  /* receive buffers handed out, free-running */
	__u32 ev_seq;   /* events queued for this DTI: pending while ev_seq != ev_ack */
	__u32 db_ack;   /* last db_seq the accelerator has acted upon */
	__u32 mss;      /* payload bytes per segment towards the peer */
	__u32 resv0[2]; /* zero */
	/* -- line 1: accelerator, written once per connection -- */
	__u8 laddr[ETA_ADDR_LEN]; /* own address */
	__u8 raddr[ETA_ADDR_LEN]; /* peer address */
	__be16 lport;             /* own port */
	__be16 rport;             /* peer port */
	__u32 master;             /* accepted connection: local index of its master + 1; else 0 */
	__u32 srtt_us;            /* smoothed round-trip time, microseconds (RFC 6298) */
	__u32 cwnd;               /* congestion window, bytes */
	__u32 retrans;            /* segments retransmitted in this connection */
	__u32 resv1[3];           /* zero */
};

/* eta_dti_app.ctl bits. */
#define ETA_CTL_NODELAY (1u << 0)   /* no Nagle (RFC 1122 4.2.3.4) */
#define ETA_CTL_CORK (1u << 1)      /* hold back partial segments */
#define ETA_CTL_KEEPALIVE (1u << 2) /* keepalive probes (RFC 1122 4.2.3.6) */
#define ETA_CTL_WANT_TX (1u << 3)   /* event when tx_acked or sq_head moves */
#define ETA_CTL_PAUSED (1u << 4)    /* master DTI: take no new connection for this replica */
#define ETA_CTL_RD_SHUT (1u << 5)   /* application reads no more: discard received bytes */

/* Status block B of a DTI: 64 bytes, region RW. */
struct eta_dti_app {
	/* -- line 0: application -- */
	__u64 tx_tail;  /* stream bytes put into send buffers */
	__u64 rx_head;  /* stream bytes read */
	__u32 sq_tail;  /* send queue entries published, free-running */
	__u32 ctl;      /* ETA_CTL_* */
	__u32 db_seq;   /* doorbells rung: pending while db_seq != db_ack */
	__u32 ev_ack;   /* last ev_seq the application has acted upon */
	__u32 accepted; /* master DTI: connections taken from the accept ring, free-running */
	__u32 gen;      /* incarnation the application believes in; others are ignored */
	__u32 resv[6];  /* zero */
};

#endif /* ETA_DTI_H */
