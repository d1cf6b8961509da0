// SPDX-License-Identifier: GPL-2.0-only
/*
 * net.eta.*: quotas that may change while programs run. What a program already has stays its own.
 * The sizes of the tables themselves are module parameters.
 */
#include <linux/sysctl.h>

#include "eta_ka.h"

static struct ctl_table_header *eta_ka_sysctl_header;
static unsigned int max_connections_limit;
static unsigned int max_dti_limit;
static unsigned int max_regions_limit;
static unsigned int max_listeners_limit;

static int eta_ka_quota(eta_ka_ctl_table *table, int write, void *buf, size_t *len, loff_t *pos)
{
	int ret;

	mutex_lock(&eta_ka.lock);
	ret = proc_douintvec_minmax(table, write, buf, len, pos);
	mutex_unlock(&eta_ka.lock);
	return ret;
}

#define ETA_KA_QUOTA(name, field, limit)		\
	{						\
		.procname = name,			\
		.data = &eta_ka.core.limits.field,	\
		.maxlen = sizeof(unsigned int),		\
		.mode = 0644,				\
		.proc_handler = eta_ka_quota,		\
		.extra1 = SYSCTL_ZERO,			\
		.extra2 = &(limit),			\
	}

#define ETA_KA_FIGURE(name, field)			\
	{						\
		.procname = name,			\
		.data = &eta_ka.core.field,		\
		.maxlen = sizeof(unsigned int),		\
		.mode = 0444,				\
		.proc_handler = proc_douintvec,		\
	}

static struct ctl_table eta_ka_table[] = {
	ETA_KA_QUOTA("max_connections", quota_total, max_connections_limit),
	ETA_KA_QUOTA("max_dti_per_region", quota_dti, max_dti_limit),
	ETA_KA_QUOTA("max_regions_per_user", quota_regions, max_regions_limit),
	ETA_KA_QUOTA("max_listeners_per_region", quota_listeners, max_listeners_limit),
	ETA_KA_FIGURE("dtis", n_dti),
	ETA_KA_FIGURE("regions", n_live),
	ETA_KA_FIGURE("regions_dying", n_dying),
	ETA_KA_SYSCTL_END
};

int eta_ka_sysctl_init(void)
{
	max_connections_limit = eta_ka.limits.n_ctx - 1;
	max_dti_limit = eta_ka.limits.max_dti;
	max_regions_limit = eta_ka.limits.n_regions;
	max_listeners_limit = eta_ka.limits.n_listeners;
	eta_ka_sysctl_header = register_sysctl("net/eta", eta_ka_table);
	return eta_ka_sysctl_header ? 0 : -ENOMEM;
}

void eta_ka_sysctl_exit(void)
{
	unregister_sysctl_table(eta_ka_sysctl_header);
}
