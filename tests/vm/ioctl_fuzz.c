// SPDX-License-Identifier: MIT
// Random commands, mappings, kicks and deaths on /dev/eta by several processes at once. There is
// no wrong answer; the kernel log and the agent's own counts tell. Usage: ioctl_fuzz SEED SECONDS
#define _GNU_SOURCE
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "eta_test.h"

#define WORKERS 4
#define FDS 6

static __u64 state;

static __u32 rnd(__u32 n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (__u32)((state >> 16) % n);
}

/* Small, huge or anything: indices and counts near the limits. */
static __u32 value(void)
{
	static const __u32 edges[] = { 0, 1, 2, 29, 30, 65535, 65536, 65537, 0x7fffffff, ~0u };

	if (rnd(2))
		return rnd(8);
	return rnd(8) ? edges[rnd(10)] : (__u32)state;
}

static void random_ioctl(int fd, int sock)
{
	static const unsigned long commands[] = {
		ETA_IOC_ATTACH,	  ETA_IOC_ATTACH, ETA_IOC_DTI_CREATE,	ETA_IOC_LISTEN,
		ETA_IOC_UNLISTEN, ETA_IOC_FW_MAP, ETA_IOC_FW_INTERRUPT, ETA_IOC_FW_PORT,
	};
	unsigned long cmd = commands[rnd(8)];
	__u32 words[64] = { 0 };
	__u32 i;

	for (i = 0; i < 4; i++)
		words[i] = value();
	if (cmd == ETA_IOC_ATTACH) {
		words[0] = rnd(20) ? ETA_ABI_VERSION : value();
		words[1] = rnd(4) ? ETA_ROLE_APP : 1 + rnd(3);
		words[2] = rnd(10) ? 0 : value();
		words[3] = 0;
	} else if (cmd == ETA_IOC_LISTEN) {
		words[0] = rnd(4) ? (__u32)sock : value();
	} else if (cmd == ETA_IOC_DTI_CREATE || cmd == ETA_IOC_UNLISTEN) {
		words[2] = words[3] = 0;
	} else if (cmd == ETA_IOC_FW_INTERRUPT) {
		words[0] = rnd(32);
		words[2] = 0;
	} else if (cmd == ETA_IOC_FW_PORT) {
		struct eta_fw_port *p = (struct eta_fw_port *)words;

		memset(words, 0, sizeof(words));
		snprintf(p->ifname, sizeof(p->ifname), "eta%u", rnd(3));
		p->mac[0] = 2;
		p->mac[5] = (__u8)rnd(256);
		p->mtu = rnd(4) ? 1500 : value();
	}
	ioctl(fd, cmd, words);
}

static void random_map(int fd)
{
	__u64 size = (1 + rnd(64)) * 4096ull;
	int prot = rnd(2) ? PROT_READ : PROT_READ | PROT_WRITE;
	off_t off = (off_t)(ETA_MAP_OFF(rnd(2) ? 0 : value(), rnd(5)) + rnd(16) * 4096);
	char *p = mmap(NULL, size, prot, rnd(8) ? MAP_SHARED : MAP_PRIVATE, fd, off);
	__u32 i;

	if (p == MAP_FAILED)
		return;
	/* A program scribbles over what is its own to write. Not over the agent's pages. */
	for (i = 0; i < 16 && (prot & PROT_WRITE) && ((__u64)off >> 40 & 15) == ETA_MAP_RW; i++)
		*(__u32 *)(p + rnd((__u32)size / 4) * 4ull) = value();
	madvise(p, size, rnd(2) ? MADV_REMOVE : MADV_DONTNEED);
	mprotect(p, 4096, PROT_READ | PROT_WRITE);
	munmap(p, size);
}

static void random_step(int *fds, int sock)
{
	int *fd = &fds[rnd(FDS)];
	struct pollfd p = { .fd = *fd, .events = POLLIN };
	__u64 n = 1;

	switch (rnd(12)) {
	case 0:
		close(*fd);
		*fd = open_eta();
		break;
	case 1:
	case 2:
		random_map(*fd);
		break;
	case 3:
		if (write(*fd, &n, 8) < 0 || read(*fd, &n, 8) < 0)
			errno = 0;
		break;
	case 4:
		poll(&p, 1, 0);
		break;
	default:
		random_ioctl(*fd, sock);
	}
}

static void worker(__u64 seed)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int sock = socket(AF_INET, SOCK_STREAM, 0);
	int fds[FDS];
	int i;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	if (bind(sock, (struct sockaddr *)&sin, sizeof(sin)) || listen(sock, 5))
		exit(1);
	for (i = 0; i < FDS; i++)
		fds[i] = open_eta();
	for (;;)
		random_step(fds, sock);
}

int main(int argc, char **argv)
{
	__u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	time_t end = time(NULL) + (argc > 2 ? atoi(argv[2]) : 5);
	pid_t pids[WORKERS] = { 0 };
	unsigned int lives = 0;
	int i;

	state = seed + 12345;
	while (time(NULL) < end) {
		i = (int)rnd(WORKERS);
		if (pids[i]) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
		pids[i] = fork();
		if (!pids[i])
			worker(seed + ++lives);
		lives++;
		usleep(20000 + rnd(100000));
	}
	for (i = 0; i < WORKERS; i++) {
		if (pids[i])
			kill(pids[i], SIGKILL);
	}
	while (wait(NULL) > 0)
		;
	CHECK(becomes("regions", 0));
	CHECK(becomes("regions_dying", 0));
	CHECK(becomes("dtis", 0));
	printf("seed %llu, %u lives\n", (unsigned long long)seed, lives);
	return finish("ioctl_fuzz");
}
