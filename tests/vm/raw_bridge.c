// SPDX-License-Identifier: MIT
// Stand-in for the accelerator: attaches as firmware and carries frames between the raw packet
// rings and a packet socket, so that eta0 can be tested without eta_fw.
// Usage: raw_bridge NETNS INTERFACE [--want IPV4 | --garbage]
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <eta/ring_ops.h>

#include "eta_test.h"

static char *pool;
static struct eta_proc *proc;
static int fw, wire;

static int open_wire(const char *netns, const char *ifname, unsigned char *mac)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int home = open("/proc/self/ns/net", O_RDONLY);
	int there = open(netns, O_RDONLY);
	struct ifreq ifr = { 0 };
	int fd;

	if (there < 0 || setns(there, CLONE_NEWNET))
		return -1;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
	sll.sll_ifindex = (int)if_nametoindex(ifname);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr) ||
	    bind(fd, (struct sockaddr *)&sll, sizeof(sll)))
		return -1;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return setns(home, CLONE_NEWNET) ? -1 : fd;
}

static struct eta_raw *slot_of(__u64 ring_off, __u32 index)
{
	return (struct eta_raw *)(pool + ring_off +
				  (size_t)(index & (ETA_RAW_DEPTH - 1)) * ETA_RAW_FRAME);
}

/* Wire -> OS. Returns frames moved. */
static int receive(const struct eta_pool_hdr *h)
{
	int n;

	for (n = 0; n < 64; n++) {
		__u32 prod = proc->raw_rx_prod;
		struct eta_raw *slot = slot_of(h->raw_rx_off, prod);
		struct sockaddr_ll from;
		socklen_t size = sizeof(from);
		ssize_t len;

		if (!eta_ring_room(prod, &proc->raw_rx_cons, ETA_RAW_DEPTH))
			break;
		len = recvfrom(wire, slot + 1, ETA_RAW_FRAME - sizeof(*slot), 0,
			       (struct sockaddr *)&from, &size);
		if (len <= 0)
			break;
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		slot->len = (__u32)len;
		eta_ring_publish(&proc->raw_rx_prod, prod + 1);
	}
	return n;
}

/* OS -> wire. */
static int transmit(const struct eta_pool_hdr *h)
{
	__u32 cons = proc->raw_tx_cons;
	__u32 ready = eta_ring_ready(&proc->raw_tx_prod, cons);
	__u32 i;

	for (i = 0; i < ready; i++) {
		struct eta_raw *slot = slot_of(h->raw_tx_off, cons + i);

		if (send(wire, slot + 1, slot->len, 0) < 0 && errno != EAGAIN && errno != ENOBUFS)
			perror("send");
		eta_ring_release(&proc->raw_tx_cons, cons + i + 1);
	}
	return (int)ready;
}

static void interrupt_agent(void)
{
	struct eta_fw_interrupt i = { .agent = 1 };

	eta_full_barrier();
	if (eta_load_once(&proc->raw_rx_armed) && ioctl(fw, ETA_IOC_FW_INTERRUPT, &i))
		perror("ETA_IOC_FW_INTERRUPT");
}

static void want(const struct eta_pool_hdr *h, const char *ip)
{
	struct eta_fw_interrupt i = { .agent = 1 };
	struct eta_kq *e = (struct eta_kq *)(pool + h->to_agent_off) +
			   (proc->to_agent_prod & (ETA_KQ_DEPTH - 1));

	memset(e, 0, sizeof(*e));
	e->op = ETA_KQ_NEIGH_WANTED;
	e->addr[10] = e->addr[11] = 0xff;
	inet_pton(AF_INET, ip, e->addr + 12);
	eta_ring_publish(&proc->to_agent_prod, proc->to_agent_prod + 1);
	ioctl(fw, ETA_IOC_FW_INTERRUPT, &i);
}

/* Lengths and indices that no accelerator in its right mind writes. */
static void garbage(const struct eta_pool_hdr *h)
{
	static const __u32 lengths[] = { 0, 1, 13, ETA_RAW_FRAME, 0xffffffff, 0x80000000, 14 };
	struct eta_fw_interrupt i = { .agent = 1 };
	__u32 k, round;

	for (round = 0; round < 200; round++) {
		for (k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
			slot_of(h->raw_rx_off, proc->raw_rx_prod)->len = lengths[k];
			eta_ring_publish(&proc->raw_rx_prod, proc->raw_rx_prod + 1);
		}
		if (round % 50 == 49) {
			eta_ring_publish(&proc->raw_rx_prod, proc->raw_rx_prod + 100000);
			eta_ring_publish(&proc->to_agent_prod, proc->to_agent_prod + 100000);
			eta_ring_publish(&proc->raw_tx_cons, proc->raw_tx_cons - 100000);
		}
		ioctl(fw, ETA_IOC_FW_INTERRUPT, &i);
	}
	eta_ring_publish(&proc->raw_tx_cons, proc->raw_tx_prod);
}

int main(int argc, char **argv)
{
	struct eta_fw_port port = { .name = "raw_bridge", .ifname = "eta0", .mtu = 1500 };
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct eta_pool_hdr *h;
	struct eta_attach a;
	__u64 n;

	if (argc < 3)
		return 2;
	wire = open_wire(argv[1], argv[2], port.mac);
	fw = attached(ETA_ROLE_FW, &a);
	if (wire < 0 || fw < 0) {
		perror("raw_bridge");
		return 1;
	}
	pool = map(fw, a.pool_size, PROT_READ | PROT_WRITE, 0, ETA_MAP_POOL);
	h = (struct eta_pool_hdr *)pool;
	proc = (struct eta_proc *)(pool + h->proc_off);
	if (ioctl(fw, ETA_IOC_FW_PORT, &port)) {
		perror("ETA_IOC_FW_PORT");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (argc > 3 && !eta_load_once(&proc->raw_rx_armed))
		usleep(10000); /* until eta0 is up */
	if (argc > 4)
		want(h, argv[4]);
	else if (argc > 3)
		garbage(h);
	p[0].fd = fw;
	p[1].fd = wire;
	for (;;) {
		if (receive(h))
			interrupt_agent();
		if (transmit(h))
			continue;
		eta_store_once(&proc->asleep, 1);
		eta_full_barrier();
		if (!eta_ring_ready(&proc->raw_tx_prod, proc->raw_tx_cons))
			poll(p, 2, 100);
		eta_store_once(&proc->asleep, 0);
		if (read(fw, &n, sizeof(n)) < 0 && errno != EAGAIN)
			return 1;
	}
}
