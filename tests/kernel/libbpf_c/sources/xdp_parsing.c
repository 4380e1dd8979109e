#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "parsing_helpers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 256);
} protocols SEC(".maps");

static __always_inline void count(__u32 protocol)
{
	__u64 *n = bpf_map_lookup_elem(&protocols, &protocol);

	if (n)
		__sync_fetch_and_add(n, 1);
}

SEC("xdp")
int xdp_parser_func(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	__u32 action = XDP_PASS;
	struct hdr_cursor nh = { .pos = data };
	struct icmphdr_common *icmph;
	struct ipv6hdr *ip6h;
	struct udphdr *udph;
	struct tcphdr *tcph;
	struct ethhdr *eth;
	struct iphdr *iph;
	int eth_type, ip_type;

	eth_type = parse_ethhdr(&nh, data_end, &eth);
	if (eth_type == bpf_htons(ETH_P_IP))
		ip_type = parse_iphdr(&nh, data_end, &iph);
	else if (eth_type == bpf_htons(ETH_P_IPV6))
		ip_type = parse_ip6hdr(&nh, data_end, &ip6h);
	else
		goto out;
	if (ip_type < 0)
		goto out;
	count(ip_type & 0xff);
	if (ip_type == IPPROTO_ICMP || ip_type == IPPROTO_ICMPV6) {
		if (parse_icmphdr_common(&nh, data_end, &icmph) == ICMP_ECHO)
			action = XDP_PASS;
	} else if (ip_type == IPPROTO_UDP) {
		if (parse_udphdr(&nh, data_end, &udph) < 0)
			action = XDP_ABORTED;
	} else if (ip_type == IPPROTO_TCP) {
		if (parse_tcphdr(&nh, data_end, &tcph) < 0)
			action = XDP_ABORTED;
	}
out:
	return action;
}

char _license[] SEC("license") = "GPL";
