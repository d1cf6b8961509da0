// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/eta: the door between programs and the core. Copies each command once, calls the core under
 * the agent's lock, copies the answer back. Everything that a descriptor created ends with it.
 */
#include <linux/cred.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "eta_ka.h"

union eta_ka_payload {
	struct eta_attach attach;
	struct eta_dti_create dti_create;
	struct eta_listen listen;
	struct eta_unlisten unlisten;
	struct eta_fw_map fw_map;
	struct eta_fw_interrupt fw_interrupt;
	struct eta_fw_port fw_port;
};

static int eta_ka_open(struct inode *inode, struct file *file)
{
	struct eta_ka_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return -ENOMEM;
	f->net = get_net(current->nsproxy->net_ns);
	init_waitqueue_head(&f->wait);
	mutex_lock(&eta_ka.lock);
	list_add_tail(&f->node, &eta_ka.files);
	queue_delayed_work(system_wq, &eta_ka.drain_work, msecs_to_jiffies(ETA_KA_DRAIN_MS));
	mutex_unlock(&eta_ka.lock);
	file->private_data = f;
	return nonseekable_open(inode, file);
}

/* Takes a descriptor out of every table. Programs waiting on it are not woken here. */
static void eta_ka_detach(struct eta_ka_file *f)
{
	if (f->role == ETA_ROLE_APP)
		RCU_INIT_POINTER(eta_ka.region_file[f->region], NULL);
	else if (f->role == ETA_ROLE_FW)
		RCU_INIT_POINTER(eta_ka.fw_file[f->client.proc], NULL);
	WRITE_ONCE(f->role, 0);
	eta_core_client_gone(&eta_ka.core, &f->client);
}

/* The agent serves one network namespace, that of its accelerators; NULL: none. */
static int eta_ka_serve(struct net *net)
{
	struct eta_ka_file *f;

	if (eta_ka.net == net)
		return 0;
	if (eta_ka.net) {
		eta_ka_netdev_remove();
		eta_ka_mirror_stop();
		put_net(eta_ka.net);
		eta_ka.net = NULL;
	}
	if (!net)
		return 0;
	/* Programs that came before the accelerator, from elsewhere, must not send through it. */
	list_for_each_entry(f, &eta_ka.files, node) {
		if (f->role != ETA_ROLE_APP || f->net == net)
			continue;
		eta_ka_detach(f);
		WRITE_ONCE(f->revoked, true);
		wake_up_interruptible_poll(&f->wait, EPOLLIN | EPOLLHUP);
	}
	eta_ka.net = get_net(net);
	return eta_ka_mirror_start();
}

static int eta_ka_release(struct inode *inode, struct file *file)
{
	struct eta_ka_file *f = file->private_data;

	mutex_lock(&eta_ka.lock);
	eta_ka_detach(f);
	list_del(&f->node);
	if (list_empty(&eta_ka.files)) {
		eta_ka_listen_release_all();
		eta_ka_serve(NULL);
	}
	mutex_unlock(&eta_ka.lock);
	put_net(f->net);
	kfree_rcu(f, rcu);
	return 0;
}

/* What the core must know about the caller; asked once, at the attempt to attach. */
static void eta_ka_identify(struct eta_ka_file *f, u32 role)
{
	struct eta_client *c = &f->client;

	c->uid = from_kuid_munged(&init_user_ns, current_uid());
	c->pid = task_tgid_nr(current);
	c->privileged = role != ETA_ROLE_APP && capable(CAP_NET_ADMIN);
	get_task_comm(c->comm, current->group_leader);
}

static int eta_ka_attach(struct eta_ka_file *f, struct eta_attach *a)
{
	struct eta_client *c = &f->client;
	int ret;

	if (!c->role) {
		eta_ka_identify(f, a->role);
		if (a->role == ETA_ROLE_FW && c->privileged && !eta_ka.core.fw_mask) {
			ret = eta_ka_serve(f->net);
			if (ret)
				return ret;
		}
		c->foreign = eta_ka.net && eta_ka.net != f->net;
	}
	ret = eta_core_cmd(&eta_ka.core, c, ETA_CMD_ATTACH, a, sizeof(*a));
	if (ret)
		return ret;
	if (c->role == ETA_ROLE_FW)
		rcu_assign_pointer(eta_ka.fw_file[c->proc], f);
	f->region = c->region;
	smp_store_release(&f->role, c->role);
	return 0;
}

static int eta_ka_command(struct eta_ka_file *f, u32 cmd, union eta_ka_payload *p, u32 size)
{
	int ret;

	if (cmd == ETA_CMD_FW_INTERRUPT && smp_load_acquire(&f->role) == ETA_ROLE_FW)
		return eta_ka_interrupt(&p->fw_interrupt);
	mutex_lock(&eta_ka.lock);
	if (f->revoked) {
		ret = -EXDEV;
	} else if (cmd == ETA_CMD_ATTACH) {
		ret = eta_ka_attach(f, &p->attach);
	} else {
		ret = eta_core_cmd(&eta_ka.core, &f->client, cmd, p, size);
		if (cmd == ETA_CMD_LISTEN)
			eta_ka_listen_keep(ret ? ETA_NONE : p->listen.listener);
	}
	mutex_unlock(&eta_ka.lock);
	return ret;
}

static long eta_ka_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	u32 size = _IOC_SIZE(cmd);
	union eta_ka_payload p;
	int ret;

	switch (cmd) {
	case ETA_IOC_ATTACH:
	case ETA_IOC_DTI_CREATE:
	case ETA_IOC_LISTEN:
	case ETA_IOC_UNLISTEN:
	case ETA_IOC_FW_MAP:
	case ETA_IOC_FW_INTERRUPT:
	case ETA_IOC_FW_PORT:
		break;
	default:
		return -ENOTTY;
	}
	if (copy_from_user(&p, user, size))
		return -EFAULT;
	ret = eta_ka_command(file->private_data, _IOC_NR(cmd), &p, size);
	if (ret)
		return ret;
	return copy_to_user(user, &p, size) ? -EFAULT : 0;
}

static int eta_ka_mmap(struct file *file, struct vm_area_struct *vma)
{
	return eta_ka_mem_mmap(file->private_data, vma);
}

static const struct file_operations eta_ka_fops = {
	.owner = THIS_MODULE,
	.open = eta_ka_open,
	.release = eta_ka_release,
	.unlocked_ioctl = eta_ka_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = eta_ka_mmap,
	.poll = eta_ka_poll,
	.read = eta_ka_read,
	.write = eta_ka_write,
	.llseek = eta_ka_no_llseek,
};

static struct miscdevice eta_ka_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "eta",
	.mode = 0666,
	.fops = &eta_ka_fops,
};

int eta_ka_dev_init(void)
{
	return misc_register(&eta_ka_misc);
}

void eta_ka_dev_exit(void)
{
	misc_deregister(&eta_ka_misc);
}
