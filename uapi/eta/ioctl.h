/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * Commands of the kernel agent. With eta_ka.ko they are ioctls on /dev/eta; with eta-agentd each
 * is one SEQPACKET datagram `struct eta_msg` and its answer, descriptors by SCM_RIGHTS.
 * All return 0 or -errno. Reserved fields must be zero (-EINVAL). Unknown commands: -ENOTTY.
 * The life of everything created hangs on the descriptor the command came through.
 *
 * Waiting and waking are the same on both hosts: poll the wait descriptor for POLLIN, read 8 bytes
 * to clear it; write 8 bytes (value 1) to the kick descriptor to wake the accelerator. With the
 * module both are the /dev/eta descriptor itself.
 */
#ifndef ETA_IOCTL_H
#define ETA_IOCTL_H

#include <eta/pool.h>
#include <eta/region.h>
#include <linux/ioctl.h>

#define ETA_DEV_PATH "/dev/eta"
#define ETA_SOCKET_DEFAULT "/run/eta/agent.sock" /* ETA_AGENT in the environment overrides it */

/* First command on a descriptor; exactly once. Errors: EPROTO other abi_version, EPERM role not
 * allowed, EXDEV caller is in another network namespace, EBUSY a second accelerator, ENOSPC region
 * table full, EALREADY second attach.
 * Descriptors in the answer of eta-agentd:
 *   APP: region RO (read-only), region RW, wait, kick
 *   FW: pool, wait (its kick ends here), agent interrupt (eventfd to write to)
 *   OBSERVER: pool (read-only) */
struct eta_attach {
	__u32 abi_version; /* in: ETA_ABI_VERSION */
	__u32 role;        /* in: ETA_ROLE_* */
	__u32 proc;        /* in, FW: processor number */
	__u32 region;      /* out, APP: region index */
	__u64 pool_size;   /* out, FW and OBSERVER: bytes */
	__u64 ro_size;     /* out, APP: bytes */
	__u64 rw_size;     /* out, APP: bytes */
	__u64 epoch;       /* out: eta_pool_hdr.epoch */
	__u32 max_dti;     /* out, APP */
	__u32 fw_running;  /* out: non-zero if an accelerator is attached */
	__u32 resv[6];     /* zero */
};

/* Creates DTIs (E2) with the next free local indices. Partial success is success.
 * Errors: ENOSPC region full or quota reached or context table full. */
struct eta_dti_create {
	__u32 count; /* in: wanted, 1..65536; out: created */
	__u32 first; /* out: first local index */
	__u32 resv[2];
};

/* Puts a master DTI on an address (E14). The OS socket proves the right to the port: it must be a
 * TCP socket in the LISTEN state; its address is taken from it, not from the caller.
 * With eta-agentd the socket travels by SCM_RIGHTS and os_fd is ignored.
 * Errors: EINVAL DTI not created or in use, ENOTSOCK, EDESTADDRREQ socket does not listen,
 * EPROTONOSUPPORT not TCP, EXDEV other network namespace, ENOSPC listener table full. */
struct eta_listen {
	__s32 os_fd;   /* in */
	__u32 local;   /* in: master DTI */
	__u32 backlog; /* in */
	__u32 listener; /* out: index in the listener table */
};

/* Takes a master DTI off its address. Errors: ENOENT not a listener of this region. */
struct eta_unlisten {
	__u32 listener; /* in */
	__u32 resv[3];
};

/* FW: access to a region. With eta-agentd the answer carries region RO (writable), region RW, wait.
 * With the module: mmap with ETA_MAP_OFF. Errors: ENOENT no such region, EPERM not the
 * accelerator. */
struct eta_fw_map {
	__u32 region;  /* in */
	__u32 resv;    /* zero */
	__u64 ro_size; /* out: bytes */
	__u64 rw_size; /* out: bytes */
};

/* FW: wake the programs blocked on these regions (E12). Only with the module; with eta-agentd the
 * accelerator writes to the wait descriptors it got from ETA_CMD_FW_MAP. */
#define ETA_INTERRUPT_MAX 29u
struct eta_fw_interrupt {
	__u32 count; /* in: regions that follow */
	__u32 agent; /* in: non-zero: also wake the agent (raw packets, kernel-space queue) */
	__u32 resv;  /* zero */
	__u32 region[ETA_INTERRUPT_MAX]; /* in */
};

/* FW: the port is up; the agent creates eta0 (raw packet driver) with this MAC and MTU.
 * Errors: EEXIST interface name taken, EINVAL. */
struct eta_fw_port {
	char name[ETA_PORT_NAME]; /* in: port as given on the command line */
	char ifname[16];          /* in: name for the raw packet interface, "eta0" */
	__u8 mac[6];              /* in */
	__u8 resv0[2];            /* zero */
	__u32 mtu;                /* in: bytes */
	__u32 resv[13];           /* zero */
};

/* Command numbers. */
#define ETA_CMD_ATTACH 1u
#define ETA_CMD_DTI_CREATE 2u
#define ETA_CMD_LISTEN 3u
#define ETA_CMD_UNLISTEN 4u
#define ETA_CMD_FW_MAP 5u
#define ETA_CMD_FW_INTERRUPT 6u
#define ETA_CMD_FW_PORT 7u

#define ETA_IOC_ATTACH _IOWR('E', 1, struct eta_attach)
#define ETA_IOC_DTI_CREATE _IOWR('E', 2, struct eta_dti_create)
#define ETA_IOC_LISTEN _IOWR('E', 3, struct eta_listen)
#define ETA_IOC_UNLISTEN _IOWR('E', 4, struct eta_unlisten)
#define ETA_IOC_FW_MAP _IOWR('E', 5, struct eta_fw_map)
#define ETA_IOC_FW_INTERRUPT _IOWR('E', 6, struct eta_fw_interrupt)
#define ETA_IOC_FW_PORT _IOWR('E', 7, struct eta_fw_port)

/* mmap offsets with the module; eta-agentd hands out one descriptor per object instead. */
#define ETA_MAP_POOL 1u
#define ETA_MAP_RO 2u
#define ETA_MAP_RW 3u
/* APP passes region 0 for its own. */
#define ETA_MAP_OFF(region, kind) (((__u64)(region) << 44) | ((__u64)(kind) << 40))

/* One command or answer on the socket of eta-agentd. 160 bytes. */
struct eta_msg {
	__u32 cmd;  /* ETA_CMD_* */
	__s32 ret;  /* answer: 0 or -errno */
	__u32 size; /* bytes used in payload: sizeof the command's struct */
	__u32 resv; /* zero */
	__u8 payload[144]; /* one of the structs above */
};

#endif /* ETA_IOCTL_H */
