#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct flow {
	__be32 saddr, daddr;
	__be16 sport, dport;
	__u32 protocol;
};

struct totals {
	__u64 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct flow);
	__type(value, struct totals);
	__uint(max_entries, 1024);
} FLOWS SEC(".maps");

#ifdef HOOK_TC
#define PASS TC_ACT_UNSPEC
SEC("tc") int by_hand(struct __sk_buff *ctx)
#else
#define PASS XDP_PASS
SEC("xdp") int by_hand(struct xdp_md *ctx)
#endif
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct udphdr *ports = data + sizeof(*eth) + sizeof(*ip);
	struct totals none = {};
	struct flow flow = {};
	struct totals *totals;

	if ((void *)(ports + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return PASS;
	flow.saddr = ip->saddr;
	flow.daddr = ip->daddr;
	flow.sport = ports->source;
	flow.dport = ports->dest;
	flow.protocol = ip->protocol;
	totals = bpf_map_lookup_elem(&FLOWS, &flow);
	if (!totals) {
		bpf_map_update_elem(&FLOWS, &flow, &none, BPF_NOEXIST);
		totals = bpf_map_lookup_elem(&FLOWS, &flow);
	}
	if (totals) {
		__sync_fetch_and_add(&totals->packets, 1);
		__sync_fetch_and_add(&totals->bytes, bpf_ntohs(ip->tot_len));
	}
	return PASS;
}

char _license[] SEC("license") = "GPL";
