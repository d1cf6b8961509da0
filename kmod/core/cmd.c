// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one door for commands: sizes, reserved fields and roles are checked here, the rest in the
 * file that owns the noun. The payload is a private copy; nobody can change it meanwhile.
 */
#include "internal.h"

static int all_zero(const __u32 *v, __u32 n)
{
	while (n--) {
		if (v[n])
			return 0;
	}
	return 1;
}

static int cmd_attach(struct eta_core *core, struct eta_client *client, struct eta_attach *a)
{
	int ret;

	if (client->role)
		return -EALREADY;
	if (a->abi_version != ETA_ABI_VERSION)
		return -EPROTO;
	if (!all_zero(a->resv, 6) || a->role < ETA_ROLE_APP || a->role > ETA_ROLE_OBSERVER ||
	    (a->proc && a->role != ETA_ROLE_FW))
		return -EINVAL;
	if (a->role != ETA_ROLE_APP && !client->privileged)
		return -EPERM;
	if (a->role != ETA_ROLE_OBSERVER && client->foreign)
		return -EXDEV;
	a->region = 0;
	a->pool_size = 0;
	a->ro_size = 0;
	a->rw_size = 0;
	a->max_dti = 0;
	if (a->role == ETA_ROLE_APP)
		ret = eta_region_attach(core, client, a);
	else
		ret = a->role == ETA_ROLE_FW ? eta_fw_attach(core, client, a) : 0;
	if (ret)
		return ret;
	if (a->role != ETA_ROLE_APP)
		a->pool_size = core->hdr->size;
	a->epoch = core->hdr->epoch;
	a->fw_running = core->fw_mask != 0;
	client->role = a->role;
	return 0;
}

static int cmd_dti_create(struct eta_core *core, struct eta_client *client,
			  struct eta_dti_create *c)
{
	if (c->count < 1 || c->count > 65536 || !all_zero(c->resv, 2))
		return -EINVAL;
	return eta_dti_create(core, client->region, c);
}

static int cmd_unlisten(struct eta_core *core, struct eta_client *client, struct eta_unlisten *u)
{
	if (!all_zero(u->resv, 3))
		return -EINVAL;
	return eta_listen_del(core, client->region, u->listener);
}

/* Exact payload size and role of each command. */
static const struct {
	__u32 size;
	__u32 role; /* 0: before attaching */
} commands[] = {
	[ETA_CMD_ATTACH] = { sizeof(struct eta_attach), 0 },
	[ETA_CMD_DTI_CREATE] = { sizeof(struct eta_dti_create), ETA_ROLE_APP },
	[ETA_CMD_LISTEN] = { sizeof(struct eta_listen), ETA_ROLE_APP },
	[ETA_CMD_UNLISTEN] = { sizeof(struct eta_unlisten), ETA_ROLE_APP },
	[ETA_CMD_FW_MAP] = { sizeof(struct eta_fw_map), ETA_ROLE_FW },
	[ETA_CMD_FW_INTERRUPT] = { sizeof(struct eta_fw_interrupt), ETA_ROLE_FW },
	[ETA_CMD_FW_PORT] = { sizeof(struct eta_fw_port), ETA_ROLE_FW },
};

int eta_core_cmd(struct eta_core *core, struct eta_client *client, __u32 cmd, void *payload,
		 __u32 size)
{
	if (cmd < ETA_CMD_ATTACH || cmd >= sizeof(commands) / sizeof(commands[0]))
		return -ENOTTY;
	if (size != commands[cmd].size)
		return -EINVAL;
	if (commands[cmd].role && client->role != commands[cmd].role)
		return client->role ? -EPERM : -ENOTCONN;
	switch (cmd) {
	case ETA_CMD_ATTACH:
		return cmd_attach(core, client, payload);
	case ETA_CMD_DTI_CREATE:
		return cmd_dti_create(core, client, payload);
	case ETA_CMD_LISTEN:
		return eta_listen_add(core, client, payload);
	case ETA_CMD_UNLISTEN:
		return cmd_unlisten(core, client, payload);
	case ETA_CMD_FW_MAP:
		return eta_fw_map_region(core, payload);
	case ETA_CMD_FW_INTERRUPT:
		return eta_fw_interrupt_regions(core, client->proc, payload);
	case ETA_CMD_FW_PORT:
		return eta_fw_port_up(core, client->proc, payload);
	default:
		return -ENOTTY;
	}
}
