/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * eta-agentd: the agent's rules hosted in user space. One thread, one epoll loop. Everything an
 * application can send is checked here or in the core before use; the loop never blocks on it.
 */
#ifndef ETA_AGENTD_H
#define ETA_AGENTD_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/core.h"

#define AGENTD_NEIGH_WANTED 64 /* next hops kept fresh */
#define AGENTD_FDS_MAX 4       /* descriptors in one answer */

struct agentd;

/* Something the loop waits for; embedded, first member. */
struct source {
	int fd;
	void (*ready)(struct agentd *a, struct source *s, uint32_t events);
};

/* One connection. */
struct conn {
	struct source source;
	struct eta_client client;
	struct conn *next;
	struct conn **prev;
};

/* Objects of one region; all zero-initialised fields of a free slot are meaningless. */
struct host_region {
	int ro;     /* memfd */
	int rw;     /* memfd */
	int wait_r; /* pipe: the program's end */
	int wait_w; /* pipe: the accelerator's and our end, for writing and emptying */
	void *page; /* first page of ro */
};

/* Raw packet interface. */
struct tap {
	struct source source; /* fd -1: does not exist */
	char name[IFNAMSIZ];
	int ifindex;
	int stalled; /* raw_tx ring was full: not polled for input */
	uint64_t dropped;
};

struct mirror {
	struct source events; /* notification socket */
	int cmd;              /* request socket, blocking with a time limit */
	uint32_t seq;
	int dirty;
	int full_logged;
	uint8_t wanted[AGENTD_NEIGH_WANTED][ETA_ADDR_LEN];
	uint32_t n_wanted; /* free-running */
};

struct agentd {
	struct eta_core core;
	struct eta_limits limits;
	const char *path;
	char kick_path[120];
	uint32_t max_conns;
	uint32_t n_conns;
	struct conn *conns;
	int foreground;
	int stop;
	int epoll;
	uint64_t netns_cookie;
	int pool_fd;
	uint8_t *pool;
	struct host_region *region;
	struct source listener;
	struct source signals;
	struct source irq; /* eventfd the accelerator writes to */
	int kick_rx;       /* datagram socket the accelerator waits on */
	int kick_tx;       /* our own sender to it */
	struct tap tap;
	struct mirror mirror;
};

/* main.c */
int loop_add(struct agentd *a, struct source *s, uint32_t events);
void loop_mod(struct agentd *a, struct source *s, uint32_t events);
void loop_del(struct agentd *a, struct source *s);
void log_line(const struct agentd *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* host.c: operations of the core. */
extern const struct eta_core_ops agentd_ops;
int host_init(struct agentd *a);
void host_fini(struct agentd *a);

/* memory.c */
int memory_create(const char *name, uint64_t size);
int memory_reopen_readonly(int fd);
int memory_region_create(struct host_region *r, const struct eta_region_map *map);
void memory_region_destroy(struct host_region *r);

/* kick.c */
int kick_init(struct agentd *a);
void kick_fini(struct agentd *a);
int kick_sender(const struct agentd *a);

/* conn.c */
int conn_listen(struct agentd *a);
void conn_fini(struct agentd *a);

/* tap.c */
int tap_up(struct agentd *a, const struct eta_fw_port *port);
void tap_down(struct agentd *a);
/* Moves raw packets both ways; returns non-zero if it must be called again soon. */
int tap_pump(struct agentd *a);
/* Before sleeping: asks the accelerator for an interrupt; non-zero: do not sleep. */
int tap_arm(struct agentd *a);
void tap_disarm(struct agentd *a);

/* mirror.c */
int mirror_init(struct agentd *a);
void mirror_fini(struct agentd *a);
/* Dumps the tables again if something changed. */
void mirror_refresh(struct agentd *a);
void mirror_neigh_wanted(struct agentd *a, const uint8_t *addr);

#endif /* ETA_AGENTD_H */
