#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>
#include <stdbool.h>

#define TC_ACT_OK 0
#define ETH_P_IP 0x0800

struct flow {
	__be32 saddr, daddr;
	__be16 sport, dport;
	u8 protocol;
} __attribute__((packed));

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct flow);
	__type(value, u64);
} flows SEC(".maps");

static bool parse(struct __sk_buff *ctx, struct flow *flow)
{
	void *data_end = (void *)(__u64)ctx->data_end;
	void *data = (void *)(__u64)ctx->data;
	struct ethhdr *l2 = data;
	struct iphdr *l3 = (struct iphdr *)(l2 + 1);
	struct udphdr *l4 = (struct udphdr *)(l3 + 1);

	if (ctx->protocol != bpf_htons(ETH_P_IP) || (void *)(l4 + 1) > data_end)
		return false;
	if (l3->protocol != IPPROTO_UDP && l3->protocol != IPPROTO_TCP)
		return false;
	flow->saddr = l3->saddr;
	flow->daddr = l3->daddr;
	flow->protocol = l3->protocol;
	flow->sport = l4->source;
	flow->dport = l4->dest;
	return true;
}

SEC("tc")
int tc_ingress(struct __sk_buff *ctx)
{
	struct flow flow = {};
	u64 one = 1, *packets;

	if (!parse(ctx, &flow))
		return TC_ACT_OK;
	packets = bpf_map_lookup_elem(&flows, &flow);
	if (packets)
		__sync_fetch_and_add(packets, 1);
	else
		bpf_map_update_elem(&flows, &flow, &one, BPF_NOEXIST);
	bpf_printk("from %pI4 to %pI4, %d", &flow.saddr, &flow.daddr, ctx->len);
	return TC_ACT_OK;
}

char __license[] SEC("license") = "GPL";
