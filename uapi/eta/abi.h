/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * Binary interface of ETA: constants and the map of every shared memory object.
 *
 * Three kinds of shared memory exist, each a file of its own (memfd or shmem):
 *   agent pool   written by agent and accelerator, never mapped by applications   (pool.h)
 *   region RO    written by agent and accelerator, mapped read-only by one program (region.h)
 *   region RW    written by one program, mapped read-only in spirit by all others  (region.h)
 * Every field has one writer for life, named in its comment (law 1). Whoever reads a field
 * written by an application copies it once into a local and checks the copy (law 3).
 */
#ifndef ETA_ABI_H
#define ETA_ABI_H

#include <linux/types.h>

#define ETA_ABI_MAGIC 0x31415445u /* "ETA1" read as a little-endian word */
#define ETA_ABI_VERSION 1u

#define ETA_CACHELINE 64
#define ETA_PAGE 4096

/* Queue depths of one DTI; powers of two. "Queues start tiny" (design, section 4). */
#define ETA_SQ_DEPTH 16u /* send queue: struct eta_sqe */
#define ETA_RQ_DEPTH 16u /* receive queue: struct eta_rqe */

/* Payload buffers come in two sizes, from pools shared by the DTIs of one region. */
#define ETA_BUF_SMALL 2048u
#define ETA_BUF_LARGE 65536u

/* Index 0 of contexts, listeners and regions is never used: zero means "none". */
#define ETA_NONE 0u

/* IPv4 addresses are carried in 16-byte fields as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
#define ETA_ADDR_LEN 16

/* Who holds a connection to the agent (struct eta_attach.role). */
#define ETA_ROLE_APP 1u      /* adaptation layer of one process */
#define ETA_ROLE_FW 2u       /* accelerator firmware; one at a time; CAP_NET_ADMIN */
#define ETA_ROLE_OBSERVER 3u /* eta-ctl: maps the pool read-only; CAP_NET_ADMIN */

#endif /* ETA_ABI_H */
