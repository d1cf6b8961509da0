// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt proxy (E12): wakes the programs and the accelerator that sleep on their descriptor.
 * Any context, takes no lock but those of the wait queues; a descriptor is found by RCU and freed
 * after a grace period.
 */
#include <linux/rcupdate.h>
#include <linux/uaccess.h>

#include <eta/ring_ops.h>

#include "eta_ka.h"

#define WAKE_SIZE sizeof(__u64) /* waking and waiting move one counter, as with an eventfd */

static void eta_ka_file_wake(struct eta_ka_file *f)
{
	atomic64_inc(&f->pending);
	wake_up_interruptible_poll(&f->wait, EPOLLIN | EPOLLRDNORM);
}

void eta_ka_wake_region(void *host, __u32 region)
{
	struct eta_ka_file *f;

	if (region >= eta_ka.limits.n_regions)
		return;
	rcu_read_lock();
	f = rcu_dereference(eta_ka.region_file[region]);
	if (f)
		eta_ka_file_wake(f);
	rcu_read_unlock();
}

void eta_ka_wake_fw(void *host, __u32 proc)
{
	struct eta_ka_file *f;

	rcu_read_lock();
	f = rcu_dereference(eta_ka.fw_file[proc]);
	if (f)
		eta_ka_file_wake(f);
	rcu_read_unlock();
}

static void eta_ka_wake_all_fw(void)
{
	u32 proc;

	for (proc = 0; proc < eta_ka.limits.n_procs; proc++)
		eta_ka_wake_fw(&eta_ka, proc);
}

/* Raw packets at once; notes by the work, if there are any. */
void eta_ka_agent_interrupt(void *host, __u32 proc)
{
	const struct eta_proc *p = eta_ka.core.proc;
	u32 i;

	for (i = 0; i < eta_ka.limits.n_procs; i++) {
		if (eta_load_acquire(&p[i].to_agent_prod) == eta_load_once(&p[i].to_agent_cons))
			continue;
		mod_delayed_work(system_wq, &eta_ka.drain_work, 0);
		break;
	}
	eta_ka_netdev_rx();
}

/* ETA_CMD_FW_INTERRUPT of an attached accelerator. Not through the core: a turn of the
 * accelerator must not wait for a program that creates DTIs. Same checks, same answers. */
int eta_ka_interrupt(const struct eta_fw_interrupt *i)
{
	u32 k;

	if (i->resv || i->count > ETA_INTERRUPT_MAX)
		return -EINVAL;
	for (k = 0; k < i->count; k++)
		eta_ka_wake_region(&eta_ka, i->region[k]);
	if (i->agent)
		eta_ka_agent_interrupt(&eta_ka, 0);
	return 0;
}

__poll_t eta_ka_poll(struct file *file, poll_table *table)
{
	struct eta_ka_file *f = file->private_data;
	__poll_t events = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &f->wait, table);
	if (atomic64_read(&f->pending))
		events |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(f->revoked))
		events |= EPOLLIN | EPOLLHUP;
	return events;
}

ssize_t eta_ka_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct eta_ka_file *f = file->private_data;
	u64 n;
	int ret;

	if (count < WAKE_SIZE)
		return -EINVAL;
	while (!(n = atomic64_xchg(&f->pending, 0))) {
		if (READ_ONCE(f->revoked))
			return 0;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(f->wait, atomic64_read(&f->pending) ||
					       READ_ONCE(f->revoked));
		if (ret)
			return ret;
	}
	return put_user(n, (__u64 __user *)buf) ? -EFAULT : WAKE_SIZE;
}

/* A program kicks the accelerators; an accelerator kicks the agent. */
ssize_t eta_ka_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	struct eta_ka_file *f = file->private_data;
	u64 n;

	if (count < WAKE_SIZE)
		return -EINVAL;
	if (get_user(n, (const __u64 __user *)buf))
		return -EFAULT;
	switch (smp_load_acquire(&f->role)) {
	case ETA_ROLE_APP:
		eta_ka_wake_all_fw();
		return WAKE_SIZE;
	case ETA_ROLE_FW:
		eta_ka_agent_interrupt(&eta_ka, 0);
		return WAKE_SIZE;
	default:
		return -ENOTCONN;
	}
}
