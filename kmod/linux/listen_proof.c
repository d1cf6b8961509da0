// SPDX-License-Identifier: GPL-2.0-only
/*
 * A listening OS socket proves the right to a port. The proof is checked when a listener is made
 * and again and again while it lives: who gives the port up loses the listener as well.
 * All under eta_ka.lock.
 */
#include <linux/net.h>
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/sock.h>

#include "eta_ka.h"

static struct sock **eta_ka_proof;       /* [n_listeners], held */
static unsigned long *eta_ka_proof_used; /* bit per entry of it */
static struct sock *eta_ka_candidate;    /* of the command being carried out, held */

static void eta_ka_proof_address(const struct sock *sk, struct eta_listen_addr *out)
{
	const struct inet_sock *inet = inet_sk(sk);

	out->family = sk->sk_family;
	out->port = inet->inet_sport;
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		memcpy(out->addr, &sk->sk_v6_rcv_saddr, ETA_ADDR_LEN);
		out->v6only = sk->sk_ipv6only;
		return;
	}
#endif
	if (inet->inet_rcv_saddr)
		eta_addr_from_v4(out->addr, inet->inet_rcv_saddr);
}

static int eta_ka_proof_check(const struct eta_ka_file *f, const struct sock *sk)
{
	int dev = READ_ONCE(sk->sk_bound_dev_if);

	if ((sk->sk_family != AF_INET && sk->sk_family != AF_INET6) ||
	    sk->sk_type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP)
		return -EPROTONOSUPPORT;
	if (sock_net(sk) != f->net)
		return -EXDEV;
	if (inet_sk_state_load(sk) != TCP_LISTEN)
		return -EDESTADDRREQ;
	/* Bound to another interface: its connections are none of the port's. */
	if (dev && (!eta_ka.netdev || dev != eta_ka.netdev->ifindex))
		return -EADDRNOTAVAIL;
	return 0;
}

int eta_ka_listen_check(void *host, struct eta_client *client, __s32 os_fd,
			struct eta_listen_addr *out)
{
	const struct eta_ka_file *f = container_of(client, struct eta_ka_file, client);
	struct socket *sock;
	int ret;

	sock = sockfd_lookup(os_fd, &ret);
	if (!sock)
		return ret;
	ret = eta_ka_proof_check(f, sock->sk);
	if (!ret) {
		eta_ka_proof_address(sock->sk, out);
		sock_hold(sock->sk);
		eta_ka_candidate = sock->sk;
	}
	sockfd_put(sock);
	return ret;
}

static void eta_ka_proof_drop(u32 listener)
{
	if (!__test_and_clear_bit(listener, eta_ka_proof_used))
		return;
	sock_put(eta_ka_proof[listener]);
	eta_ka_proof[listener] = NULL;
}

/* After ETA_CMD_LISTEN: the socket belongs to this listener, or to none. */
void eta_ka_listen_keep(u32 listener)
{
	struct sock *sk = eta_ka_candidate;

	eta_ka_candidate = NULL;
	if (!sk)
		return;
	if (listener == ETA_NONE) {
		sock_put(sk);
		return;
	}
	eta_ka_proof_drop(listener);
	eta_ka_proof[listener] = sk;
	__set_bit(listener, eta_ka_proof_used);
}

static void eta_ka_proof_withdraw(u32 listener)
{
	struct eta_core *core = &eta_ka.core;
	struct eta_client *client = core->region_slot[core->listener[listener].region].client;
	struct eta_unlisten u = { .listener = listener };

	if (client)
		eta_core_cmd(core, client, ETA_CMD_UNLISTEN, &u, sizeof(u));
}

/* Ten times a second. */
void eta_ka_listen_audit(void)
{
	u32 n = eta_ka.limits.n_listeners;
	u32 i;

	for_each_set_bit(i, eta_ka_proof_used, n) {
		bool live = eta_ka.core.listener_slot[i].state == ETA_LISTENER_LIVE;

		if (live && inet_sk_state_load(eta_ka_proof[i]) == TCP_LISTEN)
			continue;
		if (live)
			eta_ka_proof_withdraw(i);
		eta_ka_proof_drop(i);
	}
}

void eta_ka_listen_release_all(void)
{
	u32 i;

	for_each_set_bit(i, eta_ka_proof_used, eta_ka.limits.n_listeners)
		eta_ka_proof_drop(i);
}

int eta_ka_listen_init(void)
{
	u32 n = eta_ka.limits.n_listeners;

	eta_ka_proof = kvcalloc(n, sizeof(*eta_ka_proof), GFP_KERNEL);
	eta_ka_proof_used = bitmap_zalloc(n, GFP_KERNEL);
	if (eta_ka_proof && eta_ka_proof_used)
		return 0;
	eta_ka_listen_exit();
	return -ENOMEM;
}

void eta_ka_listen_exit(void)
{
	bitmap_free(eta_ka_proof_used);
	kvfree(eta_ka_proof);
}
