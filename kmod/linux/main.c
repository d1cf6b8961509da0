// SPDX-License-Identifier: GPL-2.0-only
/*
 * eta_ka.ko: set-up and tear-down of the kernel agent, and the table that connects the core with
 * this host. Knows no rule: those are in kmod/core.
 */
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "eta_ka.h"

struct eta_ka eta_ka = {
	.lock = __MUTEX_INITIALIZER(eta_ka.lock),
	.mem_lock = __SPIN_LOCK_UNLOCKED(eta_ka.mem_lock),
	.files = LIST_HEAD_INIT(eta_ka.files),
};

static unsigned int max_connections;
module_param(max_connections, uint, 0444);
MODULE_PARM_DESC(max_connections, "context slots of the pool (0: default)");
static unsigned int max_regions;
module_param(max_regions, uint, 0444);
MODULE_PARM_DESC(max_regions, "programs that may be attached at a time (0: default)");
static unsigned int max_dti_per_region;
module_param(max_dti_per_region, uint, 0444);
MODULE_PARM_DESC(max_dti_per_region, "DTIs of one program, a power of two (0: default)");

static void eta_ka_ctx_clear(void *host, __u32 ctx)
{
	const struct eta_pool_hdr *hdr = eta_ka.core.hdr;

	eta_ka_mem_clear(&eta_ka.pool, hdr->ctx_off + (u64)ctx * sizeof(struct eta_ctx),
			 sizeof(struct eta_ctx));
}

static int eta_ka_ro_write(void *host, __u32 region, __u64 off, const void *data, __u32 len)
{
	return eta_ka_mem_write(&eta_ka.region[region].ro, off, data, len);
}

static int eta_ka_ro_read(void *host, __u32 region, __u64 off, void *data, __u32 len)
{
	return eta_ka_mem_read(&eta_ka.region[region].ro, off, data, len);
}

static const struct eta_core_ops eta_ka_core_ops = {
	.region_create = eta_ka_region_create,
	.region_destroy = eta_ka_region_destroy,
	.ro_write = eta_ka_ro_write,
	.ro_read = eta_ka_ro_read,
	.ctx_clear = eta_ka_ctx_clear,
	.wake_region = eta_ka_wake_region,
	.wake_fw = eta_ka_wake_fw,
	.agent_interrupt = eta_ka_agent_interrupt,
	.listen_check = eta_ka_listen_check,
	.port_up = eta_ka_port_up,
	.fw_changed = eta_ka_fw_changed,
	.neigh_wanted = eta_ka_neigh_wanted,
};

/* Kernel-space queues are looked at when the accelerator says so and ten times a second. */
static void eta_ka_drain(struct work_struct *work)
{
	mutex_lock(&eta_ka.lock);
	eta_core_drain(&eta_ka.core);
	eta_ka_listen_audit();
	if (!list_empty(&eta_ka.files))
		queue_delayed_work(system_wq, &eta_ka.drain_work,
				   msecs_to_jiffies(ETA_KA_DRAIN_MS));
	mutex_unlock(&eta_ka.lock);
}

static int eta_ka_choose_limits(struct eta_limits *l)
{
	eta_limits_default(l);
	if (max_connections) {
		if (max_connections >= 1u << 24)
			return -EINVAL;
		l->n_ctx = max_connections + 1;
		l->n_buckets = max_t(u32, roundup_pow_of_two(l->n_ctx) / 2, 1);
		l->n_tw = max_t(u32, l->n_ctx / 4, 1);
	}
	if (max_regions)
		l->n_regions = max_regions + 1;
	if (max_dti_per_region)
		l->max_dti = max_dti_per_region;
	l->quota_dti = l->max_dti;
	l->quota_total = l->n_ctx - 1;
	return 0;
}

static int eta_ka_pool_init(void)
{
	struct eta_pool_hdr layout;
	int ret;

	ret = eta_ka_choose_limits(&eta_ka.limits);
	if (!ret)
		ret = eta_pool_layout(&eta_ka.limits, &layout);
	if (ret)
		return ret;
	ret = eta_ka_mem_create(&eta_ka.pool, "eta-pool", layout.size,
				eta_pool_agent_size(&layout));
	if (ret)
		return ret;
	eta_ka.core_mem = vzalloc(eta_core_mem_size(&eta_ka.limits));
	ret = -ENOMEM;
	if (!eta_ka.core_mem)
		goto err_pool;
	ret = eta_core_init(&eta_ka.core, &eta_ka.limits, eta_ka.pool.head, eta_ka.core_mem,
			    get_random_u64(), &eta_ka_core_ops, &eta_ka);
	if (ret)
		goto err_core;
	return 0;

err_core:
	vfree(eta_ka.core_mem);
err_pool:
	eta_ka_mem_destroy(&eta_ka.pool);
	return ret;
}

static void eta_ka_pool_exit(void)
{
	u32 i;

	eta_core_fini(&eta_ka.core);
	for (i = 1; i < eta_ka.limits.n_regions; i++)
		eta_ka_region_destroy(&eta_ka, i);
	vfree(eta_ka.core_mem);
	eta_ka_mem_destroy(&eta_ka.pool);
}

static int eta_ka_tables_init(void)
{
	eta_ka.region = kvcalloc(eta_ka.limits.n_regions, sizeof(*eta_ka.region), GFP_KERNEL);
	eta_ka.region_file = kvcalloc(eta_ka.limits.n_regions, sizeof(*eta_ka.region_file),
				      GFP_KERNEL);
	if (!eta_ka.region || !eta_ka.region_file) {
		kvfree(eta_ka.region);
		kvfree(eta_ka.region_file);
		return -ENOMEM;
	}
	return 0;
}

static void eta_ka_tables_exit(void)
{
	kvfree(eta_ka.region_file);
	kvfree(eta_ka.region);
}

static int __init eta_ka_init(void)
{
	int ret;

	INIT_DELAYED_WORK(&eta_ka.drain_work, eta_ka_drain);
	ret = eta_ka_pool_init();
	if (ret)
		return ret;
	ret = eta_ka_tables_init();
	if (ret)
		goto err_pool;
	ret = eta_ka_listen_init();
	if (ret)
		goto err_tables;
	ret = eta_ka_mirror_init();
	if (ret)
		goto err_listen;
	ret = eta_ka_sysctl_init();
	if (ret)
		goto err_mirror;
	ret = eta_ka_dev_init();
	if (ret)
		goto err_sysctl;
	return 0;

err_sysctl:
	eta_ka_sysctl_exit();
err_mirror:
	eta_ka_mirror_exit();
err_listen:
	eta_ka_listen_exit();
err_tables:
	eta_ka_tables_exit();
err_pool:
	vfree(eta_ka.core_mem);
	eta_ka_mem_destroy(&eta_ka.pool);
	return ret;
}

/* No file is open any more: each holds the module. */
static void __exit eta_ka_exit(void)
{
	eta_ka_dev_exit();
	eta_ka_sysctl_exit();
	cancel_delayed_work_sync(&eta_ka.drain_work);
	eta_ka_mirror_exit();
	eta_ka_pool_exit();
	eta_ka_listen_exit();
	eta_ka_tables_exit();
}

module_init(eta_ka_init);
module_exit(eta_ka_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("ETA kernel agent");
MODULE_VERSION("1");
