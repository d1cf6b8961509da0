// SPDX-License-Identifier: MIT
/*
 * XDP program of the af_xdp port: frames of the queue that the accelerator owns go to its socket,
 * frames of other queues to the OS stack. Runs in the driver's receive path. Must not look into
 * frames: what no DTI claims comes back to the OS through the raw packet driver.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} eta_xsks SEC(".maps");

SEC("xdp")
int eta_xsk_redirect(struct xdp_md *ctx)
{
	return bpf_redirect_map(&eta_xsks, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "Dual MIT/GPL";
