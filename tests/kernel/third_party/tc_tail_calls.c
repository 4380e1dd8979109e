// SPDX-License-Identifier: GPL-2.0
// A TC pipeline whose jump table is filled by whoever loads it.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, 8);
} jmp_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} stages SEC(".maps");

static __always_inline void count(__u32 stage)
{
	__u64 init = 1, *value = bpf_map_lookup_elem(&stages, &stage);

	if (value)
		*value += 1;
	else
		bpf_map_update_elem(&stages, &stage, &init, BPF_ANY);
}

SEC("classifier/ipv4")
int handle_ipv4(struct __sk_buff *skb)
{
	__u8 protocol = 0;

	count(4);
	if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, protocol), &protocol, 1) < 0)
		return TC_ACT_OK;
	bpf_tail_call(skb, &jmp_table, protocol == IPPROTO_UDP ? 2 : 7);
	count(99);
	return TC_ACT_OK;
}

SEC("classifier/ipv6")
int handle_ipv6(struct __sk_buff *skb)
{
	count(6);
	return TC_ACT_OK;
}

SEC("classifier/udp")
int handle_udp(struct __sk_buff *skb)
{
	count(17);
	return TC_ACT_OK;
}

SEC("classifier")
int entry(struct __sk_buff *skb)
{
	count(0);
	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		bpf_tail_call(skb, &jmp_table, 0);
		break;
	case bpf_htons(ETH_P_IPV6):
		bpf_tail_call(skb, &jmp_table, 1);
		break;
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
