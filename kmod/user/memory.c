// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared memory objects and the wait pipe of a region. A program must be able to hurt nobody with
 * the descriptors it gets: sizes are sealed (nobody else meets SIGBUS), other users cannot reopen
 * the objects, the RO object is opened read-only, and the program's end of the wait pipe is an
 * open file of its own, so that its flags are not the accelerator's. The other end is open for
 * reading too: the waker itself empties a pipe that nobody reads (programs wait edge-triggered),
 * and never meets one without a reader.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

int memory_create(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	int err;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) || ftruncate(fd, (off_t)size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

/* An open file of its own for the same object. */
static int reopen(int fd, int flags)
{
	char path[40];
	int other;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, flags | O_CLOEXEC);
	return other < 0 ? -errno : other;
}

int memory_reopen_readonly(int fd)
{
	return reopen(fd, O_RDONLY);
}

/* The ends of a region's wait pipe. 0 or -errno. */
static int wait_pipe(int *program, int *waker)
{
	int pipe_fd[2];

	if (pipe2(pipe_fd, O_NONBLOCK | O_CLOEXEC))
		return -errno;
	(void)fcntl(pipe_fd[1], F_SETPIPE_SZ, ETA_PAGE);
	*waker = reopen(pipe_fd[1], O_RDWR | O_NONBLOCK);
	*program = pipe_fd[0];
	close(pipe_fd[1]);
	if (*waker < 0)
		close(*program);
	return *waker < 0 ? *waker : 0;
}

int memory_region_create(struct host_region *r, const struct eta_region_map *map)
{
	int ret;

	ret = r->ro = memory_create("eta-ro", map->ro_size);
	if (ret < 0)
		return ret;
	ret = r->rw = memory_create("eta-rw", map->rw_size);
	if (ret < 0)
		goto close_ro;
	ret = wait_pipe(&r->wait_r, &r->wait_w);
	if (ret)
		goto close_rw;
	r->page = mmap(NULL, ETA_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->ro, 0);
	if (r->page == MAP_FAILED) {
		ret = -errno;
		goto close_pipe;
	}
	return 0;

close_pipe:
	close(r->wait_r);
	close(r->wait_w);
close_rw:
	close(r->rw);
close_ro:
	close(r->ro);
	return ret;
}

void memory_region_destroy(struct host_region *r)
{
	munmap(r->page, ETA_PAGE);
	close(r->wait_w);
	close(r->wait_r);
	close(r->rw);
	close(r->ro);
}
