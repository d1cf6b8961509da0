/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * Ring operations: the only code of the binary interface. A ring is an array of 2^n entries and
 * two free-running 32-bit indices that live in cache lines of their own, one per writer.
 *
 *        producer                                   consumer
 *   write entry[prod & mask]                   load prod            (B, acquire)
 *   store prod + 1          (A, release)       read entry[cons & mask]
 *   load cons               (D, acquire)       store cons + 1       (C, release)
 *
 * A matches B: the entry is visible before the index. C matches D: the entry has been read before
 * its slot is written again. Going to sleep needs a full barrier between "I sleep" and the last
 * look (E), and one between publishing and looking for sleepers (F); E matches F. The same pair
 * makes the dedupe words (db_seq/db_ack, ev_seq/ev_ack) lossless.
 */
#ifndef ETA_RING_OPS_H
#define ETA_RING_OPS_H

#include <linux/types.h>

#ifdef __KERNEL__
#include <asm/barrier.h>
#define eta_load_acquire(p) smp_load_acquire(p)
#define eta_store_release(p, v) smp_store_release(p, v)
#define eta_load_once(p) READ_ONCE(*(p))
#define eta_store_once(p, v) WRITE_ONCE(*(p), v)
#define eta_full_barrier() smp_mb()
#else
#define eta_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define eta_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define eta_load_once(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define eta_store_once(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define eta_full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/* Producer. Entries that may be written now. `prod` is the producer's own index, `cons` the
 * consumer's word in shared memory. A hostile consumer can only make the result wrong by at most
 * `size`; never more than `size` is returned. */
static inline __u32 eta_ring_room(__u32 prod, const __u32 *cons, __u32 size)
{
	__u32 used = prod - eta_load_acquire(cons); /* D */

	return used <= size ? size - used : 0;
}

/* Producer. Makes entries before `prod` visible. */
static inline void eta_ring_publish(__u32 *prod_word, __u32 prod)
{
	eta_store_release(prod_word, prod); /* A */
}

/* Consumer. Entries that may be read now; more than `size` means the producer lies: the caller
 * must treat the ring as broken. */
static inline __u32 eta_ring_ready(const __u32 *prod_word, __u32 cons)
{
	return eta_load_acquire(prod_word) - cons; /* B */
}

/* Consumer. Gives slots before `cons` back. */
static inline void eta_ring_release(__u32 *cons_word, __u32 cons)
{
	eta_store_release(cons_word, cons); /* C */
}

/* Poster of a deduplicated notice (doorbell or event): after the state it announces was stored,
 * returns non-zero if an entry must be queued, that is, if none is pending. The caller then
 * stores seq + 1 in its word and queues the entry. */
static inline int eta_notice_needed(__u32 own_seq, const __u32 *peer_ack)
{
	eta_full_barrier(); /* F */
	return eta_load_once(peer_ack) == own_seq;
}

/* Receiver of a deduplicated notice: acknowledge before reading the announced state. */
static inline void eta_notice_take(__u32 *own_ack, __u32 seq)
{
	eta_store_once(own_ack, seq);
	eta_full_barrier(); /* E */
}

#endif /* ETA_RING_OPS_H */
