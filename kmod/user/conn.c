// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections to the agent: one SEQPACKET datagram per command, one per answer. The peer is
 * hostile: every length and count is checked, descriptors it sends are always closed again, and
 * a peer that does not read its answers is dropped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agentd.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Descriptors of an answer; those marked are closed after sending. */
struct answer_fds {
	int n;
	int fd[AGENTD_FDS_MAX];
	int temporary[AGENTD_FDS_MAX];
};

static int add_fd(struct answer_fds *f, int fd, int temporary)
{
	if (fd < 0)
		return fd;
	f->fd[f->n] = fd;
	f->temporary[f->n++] = temporary;
	return 0;
}

static void close_temporary(struct answer_fds *f)
{
	while (f->n--) {
		if (f->temporary[f->n])
			close(f->fd[f->n]);
	}
}

static int app_fds(const struct agentd *a, __u32 region, struct answer_fds *f)
{
	const struct host_region *r = &a->region[region];
	int ret = add_fd(f, memory_reopen_readonly(r->ro), 1);

	if (!ret)
		ret = add_fd(f, r->rw, 0);
	if (!ret)
		ret = add_fd(f, r->wait_r, 0);
	return ret ? ret : add_fd(f, kick_sender(a), 1);
}

static int attach_fds(const struct agentd *a, const struct eta_client *client,
		      struct answer_fds *f)
{
	int ret;

	if (client->role == ETA_ROLE_APP)
		return app_fds(a, client->region, f);
	if (client->role == ETA_ROLE_OBSERVER)
		return add_fd(f, memory_reopen_readonly(a->pool_fd), 1);
	ret = add_fd(f, a->pool_fd, 0);
	if (!ret)
		ret = add_fd(f, a->kick_rx, 0);
	return ret ? ret : add_fd(f, a->irq.fd, 0);
}

static int map_fds(const struct agentd *a, __u32 region, struct answer_fds *f)
{
	const struct host_region *r = &a->region[region];
	int ret = add_fd(f, r->ro, 0);

	if (!ret)
		ret = add_fd(f, r->rw, 0);
	return ret ? ret : add_fd(f, r->wait_w, 0);
}

/* Runs the command in m and leaves the answer there. */
static void run_command(struct agentd *a, struct conn *c, struct eta_msg *m, int passed_fd,
			struct answer_fds *f)
{
	__u32 payload[sizeof(m->payload) / sizeof(__u32)] __attribute__((aligned(8)));

	if (m->resv || m->ret || m->size > sizeof(m->payload)) {
		m->ret = -EINVAL;
		m->size = 0;
		return;
	}
	memcpy(payload, m->payload, sizeof(payload));
	if (m->cmd == ETA_CMD_LISTEN && m->size == sizeof(struct eta_listen))
		((struct eta_listen *)payload)->os_fd = passed_fd;
	m->ret = eta_core_cmd(&a->core, &c->client, m->cmd, payload, m->size);
	if (!m->ret && m->cmd == ETA_CMD_ATTACH) {
		m->ret = attach_fds(a, &c->client, f);
		if (m->ret)
			eta_core_client_gone(&a->core, &c->client);
	} else if (!m->ret && m->cmd == ETA_CMD_FW_MAP) {
		m->ret = map_fds(a, ((struct eta_fw_map *)payload)->region, f);
	}
	if (m->cmd == ETA_CMD_LISTEN && m->size == sizeof(struct eta_listen))
		((struct eta_listen *)payload)->os_fd = -1;
	memset(m->payload, 0, sizeof(m->payload));
	if (m->ret)
		m->size = 0;
	else
		memcpy(m->payload, payload, m->size);
}

static int send_answer(int fd, struct eta_msg *m, const struct answer_fds *f)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(AGENTD_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	if (f->n && !m->ret) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE((size_t)f->n * sizeof(int));
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN((size_t)f->n * sizeof(int));
		memcpy(CMSG_DATA(cm), f->fd, (size_t)f->n * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(*m) ? 0 : -EIO;
}

/* Closing must not block the loop: a socket that does not listen could linger on our time. */
static void close_passed(int fd)
{
	static const struct linger off;
	socklen_t len = sizeof(int);
	int listening;

	if (fd < 0)
		return;
	if (!getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) && !listening)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	close(fd);
}

/* First passed descriptor or -1; closes all others. */
static int passed_descriptor(struct msghdr *msg)
{
	struct cmsghdr *cm;
	int first = -1;

	for (cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		size_t n, i;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
			if (first < 0)
				first = fd;
			else
				close_passed(fd);
		}
	}
	return first;
}

static void conn_close(struct agentd *a, struct conn *c)
{
	eta_core_client_gone(&a->core, &c->client);
	loop_del(a, &c->source);
	close(c->source.fd);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	a->n_conns--;
	free(c);
}

static void conn_ready(struct agentd *a, struct source *s, uint32_t events)
{
	struct conn *c = (struct conn *)s;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(AGENTD_FDS_MAX * sizeof(int))];
	} control;
	struct answer_fds fds = { 0 };
	struct eta_msg m;
	struct iovec iov = { .iov_base = &m, .iov_len = sizeof(m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(s->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int passed_fd;
	int ret;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(a, c);
		return;
	}
	passed_fd = passed_descriptor(&msg);
	if (n != (ssize_t)sizeof(m) || (msg.msg_flags & MSG_TRUNC)) {
		memset(&m, 0, sizeof(m));
		m.ret = -EINVAL;
	} else {
		run_command(a, c, &m, passed_fd, &fds);
	}
	close_passed(passed_fd);
	ret = send_answer(s->fd, &m, &fds);
	close_temporary(&fds);
	if (ret)
		conn_close(a, c);
}

static void read_comm(struct eta_client *client)
{
	char path[40];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/comm", client->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, client->comm, sizeof(client->comm) - 1);
	close(fd);
	if (n > 0 && client->comm[n - 1] == '\n')
		client->comm[n - 1] = '\0';
}

/* Who is it? A connected socket belongs to the network namespace of its peer. */
static int identify(const struct agentd *a, int fd, struct eta_client *client)
{
	uint64_t cookie = 0;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	len = sizeof(cookie);
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		return -errno;
	client->uid = cred.uid;
	client->pid = (__u32)cred.pid;
	client->privileged = cred.uid == 0 || cred.uid == geteuid();
	client->foreign = cookie != a->netns_cookie;
	read_comm(client);
	return 0;
}

/* One user cannot take all connections. */
static int room_for(const struct agentd *a, uint32_t uid)
{
	const struct conn *c;
	uint32_t n = 0;

	if (a->n_conns >= a->max_conns)
		return 0;
	if (!uid)
		return 1;
	for (c = a->conns; c; c = c->next)
		n += c->client.uid == uid;
	return n < a->max_conns / 2 || a->max_conns == 1;
}

static void listener_ready(struct agentd *a, struct source *s, uint32_t events)
{
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *c;

	(void)events;
	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c || identify(a, fd, &c->client) || !room_for(a, c->client.uid))
		goto refuse;
	c->source.fd = fd;
	c->source.ready = conn_ready;
	if (loop_add(a, &c->source, EPOLLIN))
		goto refuse;
	c->next = a->conns;
	c->prev = &a->conns;
	if (c->next)
		c->next->prev = &c->next;
	a->conns = c;
	a->n_conns++;
	return;

refuse:
	free(c);
	close(fd);
}

static int make_directory(const char *path)
{
	char dir[120];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	return mkdir(dir, 0755) && errno != EEXIST ? -errno : 0;
}

/* -EADDRINUSE: an agent answers there. A socket nobody listens on is left over: removed. */
static int take_path(const struct agentd *a, const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)un, sizeof(*un)) || errno == EAGAIN)
		ret = -EADDRINUSE;
	else if (!lstat(a->path, &st) && !S_ISSOCK(st.st_mode))
		ret = -EEXIST;
	else if (unlink(a->path) && errno != ENOENT)
		ret = -errno;
	close(fd);
	return ret;
}

int conn_listen(struct agentd *a)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(a->netns_cookie);
	int ret = make_directory(a->path);

	if (ret)
		return ret;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", a->path);
	ret = take_path(a, &un);
	if (ret)
		return ret;
	a->listener.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	a->listener.ready = listener_ready;
	if (a->listener.fd < 0 ||
	    getsockopt(a->listener.fd, SOL_SOCKET, SO_NETNS_COOKIE, &a->netns_cookie, &len) ||
	    bind(a->listener.fd, (struct sockaddr *)&un, sizeof(un)) ||
	    chmod(a->path, 0666) || listen(a->listener.fd, 128))
		return -errno;
	return loop_add(a, &a->listener, EPOLLIN);
}

void conn_fini(struct agentd *a)
{
	while (a->conns)
		conn_close(a, a->conns);
	unlink(a->path);
	close(a->listener.fd);
}
