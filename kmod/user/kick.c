// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waking the accelerator. It waits on one datagram socket; every program gets a sender socket of
 * its own, connected to it. So a program can neither swallow the kicks of another one, nor change
 * the flags of a descriptor that somebody else uses, nor block anybody; a full queue means that
 * the accelerator is awake already.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agentd.h"

static void address(const struct agentd *a, struct sockaddr_un *un)
{
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "%.107s", a->kick_path);
}

int kick_sender(const struct agentd *a)
{
	struct sockaddr_un un;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	address(a, &un);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un))) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

int kick_init(struct agentd *a)
{
	struct sockaddr_un un;
	mode_t mask;
	int err = 0;

	snprintf(a->kick_path, sizeof(a->kick_path), "%s.kick", a->path);
	a->kick_rx = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->kick_rx < 0)
		return -errno;
	address(a, &un);
	unlink(un.sun_path);
	mask = umask(0177); /* nobody else may connect */
	if (bind(a->kick_rx, (struct sockaddr *)&un, sizeof(un)))
		err = errno;
	umask(mask);
	if (err)
		return -err;
	a->kick_tx = kick_sender(a);
	return a->kick_tx < 0 ? a->kick_tx : 0;
}

void kick_fini(struct agentd *a)
{
	unlink(a->kick_path);
	close(a->kick_tx);
	close(a->kick_rx);
}
