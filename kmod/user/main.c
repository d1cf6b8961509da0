// SPDX-License-Identifier: GPL-2.0-only
/*
 * eta-agentd: options, set-up, one epoll loop, tear-down in reverse order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <syslog.h>
#include <unistd.h>

#include "agentd.h"

#define LOOP_BATCH 64
#define TICK_MS 100 /* with an accelerator: forgotten notes, stale neighbours */
#define STALL_MS 1  /* the raw packet ring is full */

void log_line(const struct agentd *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (a->foreground) {
		fputs("eta-agentd: ", stderr);
		vfprintf(stderr, fmt, ap);
		fputc('\n', stderr);
	} else {
		vsyslog(LOG_INFO, fmt, ap);
	}
	va_end(ap);
}

int loop_add(struct agentd *a, struct source *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, s->fd, &e) ? -errno : 0;
}

void loop_mod(struct agentd *a, struct source *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	(void)epoll_ctl(a->epoll, EPOLL_CTL_MOD, s->fd, &e);
}

void loop_del(struct agentd *a, struct source *s)
{
	(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, s->fd, NULL);
}

static void signal_ready(struct agentd *a, struct source *s, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(s->fd, &info, sizeof(info)) == sizeof(info))
		a->stop = 1;
}

/* The work itself is done once per turn of the loop. */
static void irq_ready(struct agentd *a, struct source *s, uint32_t events)
{
	uint64_t count;

	(void)a;
	(void)events;
	if (read(s->fd, &count, sizeof(count)) < 0)
		return;
}

static int timeout_ms(struct agentd *a, int busy)
{
	if (busy || tap_arm(a))
		return 0;
	if (a->tap.stalled)
		return STALL_MS;
	return a->core.fw_mask || a->core.notes_wait ? TICK_MS : -1;
}

static void run(struct agentd *a)
{
	struct epoll_event ev[LOOP_BATCH];
	int busy = 0;

	while (!a->stop) {
		int n = epoll_wait(a->epoll, ev, LOOP_BATCH, timeout_ms(a, busy));
		int i;

		tap_disarm(a);
		for (i = 0; i < n; i++) {
			struct source *s = ev[i].data.ptr;

			s->ready(a, s, ev[i].events);
		}
		eta_core_drain(&a->core);
		busy = tap_pump(a);
		mirror_refresh(a);
	}
}

static int signals_init(struct agentd *a)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	a->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	a->signals.ready = signal_ready;
	return a->signals.fd < 0 ? -errno : loop_add(a, &a->signals, EPOLLIN);
}

static int irq_init(struct agentd *a)
{
	a->irq.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	a->irq.ready = irq_ready;
	return a->irq.fd < 0 ? -errno : loop_add(a, &a->irq, EPOLLIN);
}

static void raise_fd_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return;
	lim.rlim_cur = lim.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim);
}

/* Says what failed. On failure the process ends: the kernel takes the rest back. */
static int set_up(struct agentd *a)
{
	const char *step = "epoll";
	int ret;

	raise_fd_limit();
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	ret = a->epoll < 0 ? -errno : 0;
	if (!ret)
		step = "signals", ret = signals_init(a);
	if (!ret)
		step = "eventfd", ret = irq_init(a);
	if (!ret)
		step = "shared memory", ret = host_init(a);
	if (!ret)
		step = "rtnetlink", ret = mirror_init(a);
	if (!ret)
		step = a->path, ret = conn_listen(a);
	if (!ret)
		step = "kick socket", ret = kick_init(a);
	if (!ret)
		mirror_refresh(a);
	if (ret == -EADDRINUSE)
		log_line(a, "%s: another agent runs here", a->path);
	else if (ret)
		log_line(a, "%s: %s", step, strerror(-ret));
	return ret;
}

static void tear_down(struct agentd *a)
{
	conn_fini(a);
	eta_core_fini(&a->core);
	tap_down(a);
	kick_fini(a);
	mirror_fini(a);
	host_fini(a);
	close(a->irq.fd);
	close(a->signals.fd);
	close(a->epoll);
}

/* Goes on in a child, before anything is set up: what signalfd and epoll watch is the process that
 * made them. The parent ends once the child serves, so that a script may start programs at once,
 * or fails with it. Returns the descriptor to tell it through, or -errno. */
static int fork_early(void)
{
	int p[2];
	char ok;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid) {
		close(p[1]);
		_exit(read(p[0], &ok, 1) == 1 ? 0 : 1);
	}
	close(p[0]);
	setsid();
	return p[1];
}

static void go_to_background(struct agentd *a, int tell)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	close(null);
	openlog("eta-agentd", LOG_PID, LOG_DAEMON);
	a->foreground = 0;
	if (write(tell, "", 1) != 1)
		a->stop = 1;
	close(tell);
}

static void warn_about_privilege(const struct agentd *a)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || geteuid())
		log_line(a, "warning: no privilege or no /dev/net/tun: eta0 cannot be created");
	if (fd >= 0)
		close(fd);
}

static void usage(FILE *f)
{
	fprintf(f,
		"usage: eta-agentd [options]\n"
		"  --socket PATH         where programs find the agent (default %s)\n"
		"  --foreground          stay in the foreground, messages to stderr\n"
		"  --max-connections N   programs attached at one time (default 1024)\n"
		"  --max-dti N           DTIs of one program, power of two (default 131072)\n"
		"  --contexts N          DTIs of all programs (default 262143)\n"
		"  --help\n",
		ETA_SOCKET_DEFAULT);
}

static int number(const char *name, const char *text, uint32_t low, uint32_t high, uint32_t *out)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || v < low || v > high) {
		fprintf(stderr, "eta-agentd: %s wants a number from %u to %u, not \"%s\"\n", name,
			low, high, text);
		return -EINVAL;
	}
	*out = (uint32_t)v;
	return 0;
}

static uint32_t power_of_two_above(uint32_t v)
{
	uint32_t p = 1;

	while (p < v)
		p <<= 1;
	return p;
}

/* One option. 0, -errno, or 1: help was asked for. */
static int option(struct agentd *a, int c)
{
	struct eta_limits *l = &a->limits;
	int ret = 0;

	switch (c) {
	case 's':
		a->path = optarg;
		/* Room for ".kick" in the address of the kick socket. */
		if (strlen(optarg) > 100 || !optarg[0]) {
			fprintf(stderr, "eta-agentd: --socket wants a path of 1 to 100 bytes\n");
			return -EINVAL;
		}
		return 0;
	case 'f':
		a->foreground = 1;
		return 0;
	case 'm':
		return number("--max-connections", optarg, 1, 16384, &a->max_conns);
	case 'd':
		ret = number("--max-dti", optarg, 2, 1u << 20, &l->max_dti);
		if (!ret && (l->max_dti & (l->max_dti - 1))) {
			fprintf(stderr, "eta-agentd: --max-dti wants a power of two\n");
			return -EINVAL;
		}
		l->quota_dti = l->max_dti;
		return ret;
	case 'c':
		ret = number("--contexts", optarg, 1, (1u << 24) - 1, &l->quota_total);
		l->n_ctx = l->quota_total + 1;
		l->n_buckets = power_of_two_above((l->n_ctx + 1) / 2);
		return ret;
	case 'h':
		return 1;
	default:
		return -EINVAL;
	}
}

static int options(struct agentd *a, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "max-connections", required_argument, NULL, 'm' },
		{ "max-dti", required_argument, NULL, 'd' },
		{ "contexts", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int ret = 0;
	int c;

	while (!ret && (c = getopt_long(argc, argv, "h", longs, NULL)) != -1)
		ret = option(a, c);
	if (!ret && optind < argc) {
		fprintf(stderr, "eta-agentd: unexpected argument \"%s\"\n", argv[optind]);
		ret = -EINVAL;
	}
	if (ret)
		usage(ret > 0 ? stdout : stderr);
	return ret;
}

int main(int argc, char **argv)
{
	static struct agentd agent;
	struct agentd *a = &agent;
	int tell = -1;
	int ret;

	a->path = ETA_SOCKET_DEFAULT;
	a->max_conns = 1024;
	a->tap.source.fd = -1;
	eta_limits_default(&a->limits);
	ret = options(a, argc, argv);
	if (ret)
		return ret > 0 ? 0 : 2;
	if (a->max_conns + 2 > a->limits.n_regions)
		a->limits.n_regions = a->max_conns + 2;
	if (!a->foreground) {
		tell = fork_early();
		if (tell < 0) {
			fprintf(stderr, "eta-agentd: fork: %s\n", strerror(-tell));
			return 1;
		}
		a->foreground = 1; /* until set up, messages go to stderr */
	}
	if (set_up(a))
		return 1;
	warn_about_privilege(a);
	if (tell < 0)
		log_line(a, "ready on %s", a->path);
	else
		go_to_background(a, tell);
	run(a);
	tear_down(a);
	return 0;
}
