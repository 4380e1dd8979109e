/* Counts DNS queries by the name that is asked for. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define MAX_DNS_NAME_LENGTH 64

struct dns_hdr {
	__be16 transaction_id;
	__u8 rd : 1;
	__u8 tc : 1;
	__u8 aa : 1;
	__u8 opcode : 4;
	__u8 qr : 1;
	__u8 rcode : 4;
	__u8 cd : 1;
	__u8 ad : 1;
	__u8 z : 1;
	__u8 ra : 1;
	__be16 q_count;
	__be16 ans_count;
	__be16 auth_count;
	__be16 add_count;
};

struct dns_query {
	__u16 record_type;
	__u16 class;
	char name[MAX_DNS_NAME_LENGTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct dns_query);
	__type(value, __u32);
	__uint(max_entries, 1024);
} queries SEC(".maps");

static __always_inline int parse_query(struct __sk_buff *skb, __u32 cursor, struct dns_query *q)
{
	void *data_end = (void *)(long)skb->data_end;
	void *at = (void *)(long)skb->data + cursor;
	__u16 i;

	for (i = 0; i < MAX_DNS_NAME_LENGTH; i++) {
		if (at + 1 > data_end)
			return -1;
		/* The end of a name is a zero byte; type and class follow. */
		if (*(char *)at == 0) {
			if (at + 5 > data_end)
				return -1;
			q->record_type = bpf_ntohs(*(__u16 *)(at + 1));
			q->class = bpf_ntohs(*(__u16 *)(at + 3));
			return i;
		}
		/* Keep the letters; the lengths of labels become dots. */
		q->name[i] = *(char *)at < 32 ? '.' : *(char *)at;
		at++;
	}
	return -1;
}

SEC("classifier")
int dns_counter(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	struct dns_hdr *dns = (void *)(udp + 1);
	struct dns_query q = {};
	__u32 one = 1, *seen;

	if ((void *)(dns + 1) > data_end)
		return TC_ACT_OK;
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP || udp->dest != bpf_htons(53))
		return TC_ACT_OK;
	if (dns->qr != 0 || dns->opcode != 0)
		return TC_ACT_OK;
	if (parse_query(skb, sizeof(*eth) + sizeof(*ip) + sizeof(*udp) + sizeof(*dns), &q) < 0)
		return TC_ACT_OK;
	seen = bpf_map_lookup_elem(&queries, &q);
	if (seen)
		__sync_fetch_and_add(seen, 1);
	else
		bpf_map_update_elem(&queries, &q, &one, BPF_NOEXIST);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
