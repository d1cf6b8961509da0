/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernel versions. The only file of the module with #if on versions.
 * Supported: 6.1 (Debian 12) to 6.12 (bookworm-backports).
 */
#ifndef ETA_KA_COMPAT_H
#define ETA_KA_COMPAT_H

#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/sysctl.h>
#include <linux/version.h>

#ifndef CONFIG_64BIT
#error "ETA needs a 64-bit kernel: pages of shared memory are always mapped"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void eta_ka_vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#else
static inline void eta_ka_vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vm_flags_clear(vma, flags);
}
#endif

/* The table of a sysctl directory ended with an empty entry until 6.11, and is const since. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define ETA_KA_SYSCTL_END { }
#define eta_ka_ctl_table struct ctl_table
#else
#define ETA_KA_SYSCTL_END
#define eta_ka_ctl_table const struct ctl_table
#endif

/* An interface that stays in its network namespace. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
static inline void eta_ka_netns_local(struct net_device *dev)
{
	dev->features |= NETIF_F_NETNS_LOCAL;
}
#else
static inline void eta_ka_netns_local(struct net_device *dev)
{
	dev->netns_local = true;
}
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define eta_ka_no_llseek NULL
#else
#define eta_ka_no_llseek no_llseek
#endif

#endif /* ETA_KA_COMPAT_H */
