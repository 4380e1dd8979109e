// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// SYN cookies and a limit on SYNs for each destination port, written for CO-RE.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define NSEC_PER_SEC 1000000000L
#define ETH_P_IP 0x0800
#define MSS 1460

const volatile __u32 max_syn_per_window = 100;
const volatile __u64 window_ns = NSEC_PER_SEC;
const volatile bool make_cookies;
const volatile __u16 allowed_ports[8] = {};

struct window {
	__u64 start;
	__u32 syns;
	__u32 refused;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 0);
	__type(key, __u16);
	__type(value, struct window);
} windows SEC(".maps");

__u64 syns, refused, cookies;
__u32 last_source;

static __always_inline bool is_allowed(__u16 port)
{
	for (int i = 0; i < 8; i++)
		if (allowed_ports[i] == port)
			return true;
	return false;
}

static __always_inline bool is_over_limit(__u16 port)
{
	struct window *w, fresh = { .start = bpf_ktime_get_ns(), .syns = 1 };

	w = bpf_map_lookup_elem(&windows, &port);
	if (!w || fresh.start - w->start > window_ns) {
		bpf_map_update_elem(&windows, &port, &fresh, BPF_ANY);
		return false;
	}
	if (__sync_add_and_fetch(&w->syns, 1) <= max_syn_per_window)
		return false;
	__sync_fetch_and_add(&w->refused, 1);
	return true;
}

SEC("xdp")
int syncookie_xdp(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	struct ethhdr *eth = data;
	struct iphdr *iph = data + sizeof(*eth);
	struct tcphdr *tcp = (void *)(iph + 1);
	__s64 cookie;

	if ((void *)(tcp + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (iph->protocol != IPPROTO_TCP || iph->ihl != 5 || !tcp->syn || tcp->ack)
		return XDP_PASS;

	__sync_fetch_and_add(&syns, 1);
	last_source = iph->saddr;
	if (is_allowed(bpf_ntohs(tcp->dest)))
		return XDP_PASS;
	if (!is_over_limit(bpf_ntohs(tcp->dest)))
		return XDP_PASS;
	if (make_cookies && tcp->doff == 5) {
		cookie = bpf_tcp_raw_gen_syncookie_ipv4(iph, tcp, sizeof(*tcp));
		if (cookie >= 0)
			__sync_fetch_and_add(&cookies, 1);
	}
	__sync_fetch_and_add(&refused, 1);
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
