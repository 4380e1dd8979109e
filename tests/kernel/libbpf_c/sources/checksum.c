/* Another destination for a packet, with its checksums mended, at TC and at XDP. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define IP_CSUM_OFF (ETH_HLEN + offsetof(struct iphdr, check))
#define IP_DST_OFF (ETH_HLEN + offsetof(struct iphdr, daddr))
#define TCP_CSUM_OFF (ETH_HLEN + sizeof(struct iphdr) + offsetof(struct tcphdr, check))
#define IS_PSEUDO 0x10

const volatile __be32 backend = 0x0100000a;

static __always_inline __u16 csum_fold_helper(__u64 csum)
{
	int i;
#pragma unroll
	for (i = 0; i < 4; i++)
		if (csum >> 16)
			csum = (csum & 0xffff) + (csum >> 16);
	return ~csum;
}

static __always_inline void ipv4_csum_inline(struct iphdr *iph)
{
	__u16 *next = (__u16 *)iph;
	__u64 sum = 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < (int)(sizeof(*iph) >> 1); i++)
		sum += *next++;
	iph->check = csum_fold_helper(sum);
}

SEC("classifier")
int nat(struct __sk_buff *skb)
{
	__be32 old = 0, new = backend;

	if (bpf_skb_load_bytes(skb, IP_DST_OFF, &old, sizeof(old)))
		return TC_ACT_UNSPEC;
	bpf_l4_csum_replace(skb, TCP_CSUM_OFF, old, new, IS_PSEUDO | sizeof(new));
	bpf_l3_csum_replace(skb, IP_CSUM_OFF, old, new, sizeof(new));
	bpf_skb_store_bytes(skb, IP_DST_OFF, &new, sizeof(new), BPF_F_RECOMPUTE_CSUM);
	return TC_ACT_OK;
}

SEC("xdp")
int xdp_nat(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *iph = data + ETH_HLEN;
	struct udphdr *udp = (void *)(iph + 1);
	__be32 old, new = backend;
	__s64 difference;

	if ((void *)(udp + 1) > data_end || iph->protocol != IPPROTO_UDP)
		return XDP_PASS;
	old = iph->daddr;
	iph->daddr = new;
	iph->check = 0;
	ipv4_csum_inline(iph);
	difference = bpf_csum_diff(&old, sizeof(old), &new, sizeof(new), ~(__u32)udp->check);
	if (difference >= 0)
		udp->check = csum_fold_helper(difference);
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
