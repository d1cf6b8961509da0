/* SPDX-License-Identifier: MIT */
/*
 * Helpers of the static test programs that run inside the VM against /dev/eta.
 * Each check prints what went wrong and counts; the program's exit code is decided at the end.
 */
#ifndef ETA_VM_TEST_H
#define ETA_VM_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <eta/ioctl.h>

static int checks;
static int failures;

#define CHECK(cond)                                                          \
	do {                                                                 \
		checks++;                                                    \
		if (!(cond)) {                                               \
			failures++;                                          \
			printf("%s:%d: failed: %s (errno %d %s)\n", __func__, \
			       __LINE__, #cond, errno, strerror(errno));     \
		}                                                            \
	} while (0)

/* The call must fail with this errno; 0: must succeed. */
#define CHECK_ERR(call, want)                                                \
	do {                                                                 \
		long r_;                                                     \
		checks++;                                                    \
		errno = 0;                                                   \
		r_ = (long)(call);                                           \
		if ((want) ? (r_ != -1 || errno != (want)) : r_ == -1) {     \
			failures++;                                          \
			printf("%s:%d: failed: %s: returned %ld errno %d %s, wanted %s\n", \
			       __func__, __LINE__, #call, r_, errno, strerror(errno), \
			       (want) ? strerror(want) : "success");         \
		}                                                            \
	} while (0)

static inline int open_eta(void)
{
	int fd = open(ETA_DEV_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		perror(ETA_DEV_PATH);
		exit(1);
	}
	return fd;
}

static inline struct eta_attach attach_as(__u32 role)
{
	struct eta_attach a = { .abi_version = ETA_ABI_VERSION, .role = role };

	return a;
}

/* A descriptor attached in this role, or -1. */
static inline int attached(__u32 role, struct eta_attach *out)
{
	int fd = open_eta();

	*out = attach_as(role);
	if (ioctl(fd, ETA_IOC_ATTACH, out)) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline void *map(int fd, __u64 size, int prot, __u32 region, __u32 kind)
{
	return mmap(NULL, size, prot, MAP_SHARED, fd, (off_t)ETA_MAP_OFF(region, kind));
}

static inline int dti_create(int fd, __u32 count, __u32 *first)
{
	struct eta_dti_create c = { .count = count };

	if (ioctl(fd, ETA_IOC_DTI_CREATE, &c))
		return -1;
	if (first)
		*first = c.first;
	return (int)c.count;
}

static inline long sysctl_value(const char *name)
{
	char path[128];
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/eta/%s", name);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%ld", &v) != 1)
		v = -1;
	fclose(f);
	return v;
}

static inline int sysctl_set(const char *name, long v)
{
	char path[128];
	FILE *f;
	int bad;

	snprintf(path, sizeof(path), "/proc/sys/net/eta/%s", name);
	f = fopen(path, "w");
	if (!f)
		return -1;
	bad = fprintf(f, "%ld\n", v) < 0;
	return fclose(f) || bad ? -1 : 0;
}

/* Waits, at most 5 s, for the agent to have cleaned up. */
static inline int becomes(const char *name, long want)
{
	int i;

	for (i = 0; i < 500; i++) {
		if (sysctl_value(name) == want)
			return 1;
		usleep(10000);
	}
	printf("net.eta.%s is %ld, wanted %ld\n", name, sysctl_value(name), want);
	return 0;
}

static inline int finish(const char *name)
{
	printf("%s: %d checks, %d failed\n", name, checks, failures);
	return failures ? 1 : 0;
}

#endif /* ETA_VM_TEST_H */
