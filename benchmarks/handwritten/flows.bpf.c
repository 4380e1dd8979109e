/* The flow table as one would write it for libbpf: the same packets, the same keys, the same maps as examples/flows. */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_VLAN_TAGS 2
#define MAX_IPV6_EXTENSIONS 4
#define MAX_FLOWS 65536

struct flow4 {
	__be32 source;
	__be32 destination;
	__u16 source_port;
	__u16 destination_port;
	__u32 protocol;
};

struct flow6 {
	struct in6_addr source;
	struct in6_addr destination;
	__u16 source_port;
	__u16 destination_port;
	__u32 protocol;
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct tag {
	__be16 control;
	__be16 protocol;
};

struct fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 identification;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct flow4);
	__type(value, struct traffic);
	__uint(max_entries, MAX_FLOWS);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct flow6);
	__type(value, struct traffic);
	__uint(max_entries, MAX_FLOWS);
} flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} untracked SEC(".maps");

static __always_inline void count(void *table, const void *flow, __u32 bytes)
{
	struct traffic *traffic = bpf_map_lookup_elem(table, flow);
	struct traffic nothing = {};
	__u32 key = 0;
	__u64 *missed;

	if (!traffic) {
		bpf_map_update_elem(table, flow, &nothing, BPF_NOEXIST);
		traffic = bpf_map_lookup_elem(table, flow);
	}
	if (traffic) {
		__sync_fetch_and_add(&traffic->packets, 1);
		__sync_fetch_and_add(&traffic->bytes, bytes);
		return;
	}
	missed = bpf_map_lookup_elem(&untracked, &key);
	if (missed)
		__sync_fetch_and_add(missed, 1);
}

static __always_inline bool has_ports(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static __always_inline void count_ipv4(struct iphdr *ip, void *end, __u32 bytes)
{
	struct flow4 flow = {};
	__be16 *ports;

	if ((void *)(ip + 1) > end)
		return;
	flow.source = ip->saddr;
	flow.destination = ip->daddr;
	flow.protocol = ip->protocol;
	ports = (void *)ip + ip->ihl * 4;
	if (has_ports(flow.protocol) && !(ip->frag_off & bpf_htons(0x1fff)) && (void *)(ports + 2) <= end) {
		flow.source_port = bpf_ntohs(ports[0]);
		flow.destination_port = bpf_ntohs(ports[1]);
	}
	count(&flows4, &flow, bytes);
}

static __always_inline bool skip_extensions(void **cursor, void *end, __u32 *protocol)
{
	for (int i = 0; i < MAX_IPV6_EXTENSIONS; i++) {
		struct ipv6_opt_hdr *extension = *cursor;
		struct fragment *fragment = *cursor;

		switch (*protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if ((void *)(extension + 1) > end)
				return false;
			*protocol = extension->nexthdr;
			*cursor += (extension->hdrlen + 1) * 8;
			break;
		case IPPROTO_FRAGMENT:
			if ((void *)(fragment + 1) > end)
				return false;
			*protocol = fragment->next;
			*cursor += sizeof(*fragment);
			if (fragment->offset & bpf_htons(0xfff8))
				return false;
			break;
		default:
			return true;
		}
	}
	return false;
}

static __always_inline void count_ipv6(struct ipv6hdr *ip, void *end, __u32 bytes)
{
	struct flow6 flow = {};
	void *cursor = ip + 1;

	if (cursor > end)
		return;
	flow.source = ip->saddr;
	flow.destination = ip->daddr;
	flow.protocol = ip->nexthdr;
	if (skip_extensions(&cursor, end, &flow.protocol) && has_ports(flow.protocol)) {
		__be16 *ports = cursor;

		if ((void *)(ports + 2) <= end) {
			flow.source_port = bpf_ntohs(ports[0]);
			flow.destination_port = bpf_ntohs(ports[1]);
		}
	}
	count(&flows6, &flow, bytes);
}

SEC("tc")
int handwritten(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *ethernet = data;
	struct tag *tag = (void *)(ethernet + 1);
	__be16 ethertype;

	if ((void *)(ethernet + 1) > end)
		return TC_ACT_UNSPEC;
	ethertype = ethernet->h_proto;
	for (int i = 0; i < MAX_VLAN_TAGS; i++, tag++) {
		if (ethertype != bpf_htons(ETH_P_8021Q) && ethertype != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return TC_ACT_UNSPEC;
		ethertype = tag->protocol;
	}
	if (ethertype == bpf_htons(ETH_P_IP))
		count_ipv4((void *)tag, end, skb->len);
	else if (ethertype == bpf_htons(ETH_P_IPV6))
		count_ipv6((void *)tag, end, skb->len);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
