/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel host of the agent's core: what the files of kmod/linux share.
 *
 * Locks, outermost first:
 *   eta_ka.lock   every call of the core, the client list, the served network namespace
 *   rtnl          may be taken under it; nothing that runs under rtnl takes eta_ka.lock
 *   eta_ka.mem_lock (spin)  the files of the memory objects, so that mmap needs no mutex
 * Waking (irq_proxy.c) takes no lock: RCU.
 */
#ifndef ETA_KA_H
#define ETA_KA_H

#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/poll.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include <compat.h>

#include "core.h"

#define ETA_KA_DRAIN_MS 100 /* the core wants to be looked at about ten times a second */

/* A memory object shared with programs: an unlinked, unevictable shmem file. */
struct eta_ka_mem {
	struct file *file;   /* NULL: does not exist */
	u64 size;
	void *head;          /* kernel mapping of the first head_pages pages */
	u32 head_pages;
	struct page **pages; /* of the head */
};

/* The two objects of a region. */
struct eta_ka_region {
	struct eta_ka_mem ro;
	struct eta_ka_mem rw;
};

/* One open /dev/eta. */
struct eta_ka_file {
	struct eta_client client; /* core's; under eta_ka.lock */
	struct list_head node;    /* eta_ka.files; under eta_ka.lock */
	struct net *net;          /* of the opener, held */
	u32 role;                 /* ETA_ROLE_* once attached; store-release */
	u32 region;               /* valid once role is APP */
	bool revoked;             /* lost its network namespace; under eta_ka.lock */
	atomic64_t pending;       /* wake-ups not yet read */
	wait_queue_head_t wait;
	struct rcu_head rcu;
};

/* The agent. One per machine. */
struct eta_ka {
	struct mutex lock;
	struct eta_core core;
	struct eta_limits limits;
	struct eta_ka_mem pool;
	void *core_mem;
	struct eta_ka_region *region;               /* [n_regions]; mem_lock */
	struct eta_ka_file __rcu **region_file;     /* [n_regions] */
	struct eta_ka_file __rcu *fw_file[ETA_CORE_PROCS_MAX];
	spinlock_t mem_lock;
	struct list_head files;
	struct net *net;                            /* served; NULL: none yet; held */
	struct net_device *netdev;                  /* eta0, or NULL; lock */
	struct delayed_work drain_work;
	struct work_struct mirror_work;
};

extern struct eta_ka eta_ka;

/* mem.c */
int eta_ka_mem_create(struct eta_ka_mem *mem, const char *name, u64 size, u64 head_size);
void eta_ka_mem_destroy(struct eta_ka_mem *mem);
int eta_ka_mem_write(struct eta_ka_mem *mem, u64 off, const void *data, u32 len);
int eta_ka_mem_read(struct eta_ka_mem *mem, u64 off, void *data, u32 len);
void eta_ka_mem_clear(struct eta_ka_mem *mem, u64 off, u32 len);
int eta_ka_mem_mmap(struct eta_ka_file *f, struct vm_area_struct *vma);
int eta_ka_region_create(void *host, __u32 region, const struct eta_region_map *map,
			 struct eta_client *client, struct eta_region_ro **ro);
void eta_ka_region_destroy(void *host, __u32 region);

/* dev.c */
int eta_ka_dev_init(void);
void eta_ka_dev_exit(void);

/* irq_proxy.c: any context */
void eta_ka_wake_region(void *host, __u32 region);
void eta_ka_wake_fw(void *host, __u32 proc);
void eta_ka_agent_interrupt(void *host, __u32 proc);
int eta_ka_interrupt(const struct eta_fw_interrupt *i);
__poll_t eta_ka_poll(struct file *file, poll_table *table);
ssize_t eta_ka_read(struct file *file, char __user *buf, size_t count, loff_t *pos);
ssize_t eta_ka_write(struct file *file, const char __user *buf, size_t count, loff_t *pos);

/* netdev.c */
int eta_ka_port_up(void *host, __u32 proc, const struct eta_fw_port *port);
void eta_ka_fw_changed(void *host, __u32 proc, int up);
void eta_ka_netdev_remove(void);
void eta_ka_netdev_rx(void);

/* mirror.c */
int eta_ka_mirror_init(void);
void eta_ka_mirror_exit(void);
int eta_ka_mirror_start(void);
void eta_ka_mirror_stop(void);
void eta_ka_mirror_kick(void);
void eta_ka_neigh_wanted(void *host, const __u8 *addr);

/* listen_proof.c: under eta_ka.lock */
int eta_ka_listen_init(void);
void eta_ka_listen_exit(void);
int eta_ka_listen_check(void *host, struct eta_client *client, __s32 os_fd,
			struct eta_listen_addr *out);
void eta_ka_listen_keep(u32 listener);
void eta_ka_listen_audit(void);
void eta_ka_listen_release_all(void);

/* sysctl.c */
int eta_ka_sysctl_init(void);
void eta_ka_sysctl_exit(void);

#endif /* ETA_KA_H */
