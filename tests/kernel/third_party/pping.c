/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Passive ping: a packet on its way out leaves the time under its identity, the answer on its way in looks for it. The
 * two programs share their maps by pinning them under their names. */
#include <linux/bpf.h>
#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define RTT_BUCKETS 32

struct packet_id {
	struct {
		__be32 saddr;
		__be32 daddr;
	} flow;
	__u16 identifier;
	__u16 sequence;
};

struct rtt_stats {
	__u64 timestamps;
	__u64 matches;
	__u64 strangers;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct packet_id);
	__type(value, __u64);
	__uint(max_entries, 16384);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} packet_ts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct rtt_stats);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} rtt_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, RTT_BUCKETS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} rtt_hist SEC(".maps");

static __always_inline __u32 log2_of(__u64 v)
{
	__u32 r = 0;

	for (int i = 0; i < RTT_BUCKETS - 1; i++) {
		v >>= 1;
		if (!v)
			break;
		r++;
	}
	return r;
}

static __always_inline bool parse_identity(struct __sk_buff *skb, __u8 type, struct packet_id *id)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct iphdr *iph = data + sizeof(struct ethhdr);
	struct icmphdr *icmp = (void *)(iph + 1);

	if ((void *)(icmp + 1) > data_end || skb->protocol != bpf_htons(ETH_P_IP))
		return false;
	if (iph->protocol != IPPROTO_ICMP || icmp->type != type)
		return false;
	id->flow.saddr = type == ICMP_ECHO ? iph->saddr : iph->daddr;
	id->flow.daddr = type == ICMP_ECHO ? iph->daddr : iph->saddr;
	id->identifier = icmp->un.echo.id;
	id->sequence = icmp->un.echo.sequence;
	return true;
}

static struct rtt_stats *stats(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&rtt_stats, &zero);
}

SEC("tc/egress")
int pping_tc_egress(struct __sk_buff *skb)
{
	struct packet_id id = {};
	struct rtt_stats *s;
	__u64 now;

	if (!parse_identity(skb, ICMP_ECHO, &id))
		return TC_ACT_UNSPEC;
	now = bpf_ktime_get_ns();
	if (!bpf_map_update_elem(&packet_ts, &id, &now, BPF_NOEXIST) && (s = stats()))
		__sync_fetch_and_add(&s->timestamps, 1);
	return TC_ACT_UNSPEC;
}

SEC("tc/ingress")
int pping_tc_ingress(struct __sk_buff *skb)
{
	__u64 *sent, *bucket, rtt;
	struct packet_id id = {};
	struct rtt_stats *s;
	__u32 slot;

	if (!parse_identity(skb, ICMP_ECHOREPLY, &id))
		return TC_ACT_UNSPEC;
	sent = bpf_map_lookup_elem(&packet_ts, &id);
	s = stats();
	if (!s)
		return TC_ACT_UNSPEC;
	if (!sent) {
		__sync_fetch_and_add(&s->strangers, 1);
		return TC_ACT_UNSPEC;
	}
	rtt = bpf_ktime_get_ns() - *sent;
	bpf_map_delete_elem(&packet_ts, &id);
	slot = log2_of(rtt / 1000);
	bucket = bpf_map_lookup_elem(&rtt_hist, &slot);
	if (bucket)
		__sync_fetch_and_add(bucket, 1);
	__sync_fetch_and_add(&s->matches, 1);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
