#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_tunnel.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct gre_hdr {
	__be16 flags;
	__be16 proto;
} __attribute__((packed));

struct headers {
	struct iphdr ip;
	struct gre_hdr gre;
} __attribute__((packed));

SEC("encap_gre")
int encapsulate(struct __sk_buff *skb)
{
	struct headers headers = {
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = 47 },
		.gre = { .flags = GRE_KEY & 0, .proto = bpf_htons(ETH_P_IP) },
	};
	struct bpf_tunnel_key key = {};

	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) == 0)
		headers.ip.daddr = bpf_htonl(key.remote_ipv4);
	if (bpf_skb_adjust_room(skb, sizeof(headers), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
		return TC_ACT_SHOT;
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &headers, sizeof(headers), BPF_F_INVALIDATE_HASH))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
