// SPDX-License-Identifier: MIT
// Prints the mirrored tables of the agent pool, one line per entry, as an observer sees them.
#include <arpa/inet.h>

#include "eta_test.h"

static const char *v4(const __u8 *addr)
{
	static char buf[4][INET_ADDRSTRLEN];
	static int i;

	i = (i + 1) & 3;
	inet_ntop(AF_INET, addr + 12, buf[i], sizeof(buf[i]));
	return buf[i];
}

int main(void)
{
	struct eta_attach a;
	int fd = attached(ETA_ROLE_OBSERVER, &a);
	char *pool = fd < 0 ? MAP_FAILED : map(fd, a.pool_size, PROT_READ, 0, ETA_MAP_POOL);
	const struct eta_pool_hdr *h = (struct eta_pool_hdr *)pool;
	__u32 i;

	if (pool == MAP_FAILED) {
		perror("pool_dump");
		return 1;
	}
	for (i = 0; i < h->n_addrs; i++) {
		const struct eta_addr *e = (struct eta_addr *)(pool + h->addr_off) + i;

		if (e->valid)
			printf("addr %s/%u%s\n", v4(e->addr), e->plen - 96, e->on_lo ? " lo" : "");
	}
	for (i = 0; i < h->n_routes; i++) {
		const struct eta_route *e = (struct eta_route *)(pool + h->route_off) + i;

		if (e->valid)
			printf("route %s/%u via %s src %s mtu %u %s\n", v4(e->dst), e->plen - 96,
			       v4(e->gw), v4(e->src), e->mtu,
			       e->valid == ETA_ROUTE_PORT ? "port" : "elsewhere");
	}
	for (i = 0; i < h->n_neighs; i++) {
		const struct eta_neigh *e = (struct eta_neigh *)(pool + h->neigh_off) + i;

		if (e->valid)
			printf("neigh %s %02x:%02x:%02x:%02x:%02x:%02x\n", v4(e->addr), e->mac[0],
			       e->mac[1], e->mac[2], e->mac[3], e->mac[4], e->mac[5]);
	}
	return 0;
}
