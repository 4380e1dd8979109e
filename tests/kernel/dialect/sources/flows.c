#include <uapi/linux/ip.h>
#include <uapi/linux/udp.h>

struct flow {
	__be32 saddr, daddr;
	__be16 sport, dport;
	u32 protocol;
};

struct totals {
	u64 packets, bytes;
};

BPF_TABLE("lru_hash", struct flow, struct totals, FLOWS, 1024);

HANDLER
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	struct udphdr *ports = data + sizeof(*eth) + sizeof(*ip);
	struct totals none = {};
	struct flow flow = {};
	struct totals *totals;

	if ((void *)(ports + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return RX_OK;
	flow.saddr = ip->saddr;
	flow.daddr = ip->daddr;
	flow.sport = ports->source;
	flow.dport = ports->dest;
	flow.protocol = ip->protocol;
	totals = FLOWS.lookup_or_try_init(&flow, &none);
	if (totals) {
		__sync_fetch_and_add(&totals->packets, 1);
		__sync_fetch_and_add(&totals->bytes, bpf_ntohs(ip->tot_len));
	}
	return RX_OK;
}
