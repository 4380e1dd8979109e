/* A first TC program as tutorials have it: two directions in one file, sections of three fashions. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct pair {
	uint32_t lip; // local IP
	uint32_t rip; // remote IP
};

struct stats {
	uint64_t tx_cnt;
	uint64_t rx_cnt;
	uint64_t tx_bytes;
	uint64_t rx_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__uint(key_size, sizeof(struct pair));
	__uint(value_size, sizeof(struct stats));
} untyped_trackers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, struct pair);
	__type(value, struct stats);
} trackers SEC(".maps");

static bool parse_ipv4(bool is_rx, void *data, void *data_end, struct pair *pair)
{
	struct ethhdr *eth = data;
	struct iphdr *ip;

	if (data + sizeof(struct ethhdr) > data_end)
		return false;
	if (bpf_ntohs(eth->h_proto) != ETH_P_IP)
		return false;
	ip = data + sizeof(struct ethhdr);
	if ((void *)ip + sizeof(struct iphdr) > data_end)
		return false;
	pair->lip = is_rx ? ip->daddr : ip->saddr;
	pair->rip = is_rx ? ip->saddr : ip->daddr;
	return true;
}

static void update_stats(bool is_rx, struct pair *pair, long bytes)
{
	struct stats *stats, newstats = {0, 0, 0, 0};

	stats = bpf_map_lookup_elem(&trackers, pair);
	if (stats) {
		if (is_rx) {
			stats->rx_cnt++;
			stats->rx_bytes += bytes;
		} else {
			stats->tx_cnt++;
			stats->tx_bytes += bytes;
		}
	} else {
		if (is_rx) {
			newstats.rx_cnt = 1;
			newstats.rx_bytes = bytes;
		} else {
			newstats.tx_cnt = 1;
			newstats.tx_bytes = bytes;
		}
		bpf_map_update_elem(&trackers, pair, &newstats, BPF_NOEXIST);
	}
	bpf_map_update_elem(&untyped_trackers, pair, stats ? stats : &newstats, BPF_ANY);
}

SEC("tc/ingress")
int track_rx(struct __sk_buff *skb)
{
	void *data_end = (void *)(uintptr_t)skb->data_end;
	void *data = (void *)(uintptr_t)skb->data;
	struct pair pair;

	memset(&pair, 0, sizeof(pair));
	if (!parse_ipv4(true, data, data_end, &pair))
		return TC_ACT_OK;
	update_stats(true, &pair, data_end - data);
	return TC_ACT_OK;
}

SEC("tc/egress")
int track_tx(struct __sk_buff *skb)
{
	void *data_end = (void *)(uintptr_t)skb->data_end;
	void *data = (void *)(uintptr_t)skb->data;
	struct pair pair;

	memset(&pair, 0, sizeof(pair));
	if (!parse_ipv4(false, data, data_end, &pair))
		return TC_ACT_OK;
	update_stats(false, &pair, data_end - data);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
