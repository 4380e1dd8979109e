// SPDX-License-Identifier: GPL-2.0
// Connections with a lock each, and a timer that forgets them when they have been quiet.
#include "vmlinux.h"
#include "bpf_helpers.h"
#include "bpf_endian.h"

#define ETH_P_IP 0x0800
#define TC_ACT_OK 0
#define CLOCK_MONOTONIC 1
#define IDLE_NS (3600ULL * 1000000000ULL)

enum ct_state {
	CT_NEW = 1,
	CT_ESTABLISHED,
	CT_CLOSING,
	CT_CLOSED,
};

struct ct_key {
	__be32 addr[2];
	__be16 port[2];
	__u8 proto;
	__u8 pad[3];
};

struct ct_entry {
	struct bpf_spin_lock lock;
	enum ct_state state;
	__u64 packets[2];
	__u64 bytes[2];
};

struct ct_gc {
	struct bpf_timer timer;
	__u64 armed;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct ct_key);
	__type(value, struct ct_entry);
} conntrack SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct ct_gc);
} gc SEC(".maps");

__u64 sweeps;
static __u64 ignored;

static long sweep_one(struct bpf_map *map, struct ct_key *key, struct ct_entry *entry, void *context)
{
	if (entry->state == CT_CLOSED)
		bpf_map_delete_elem(map, key);
	return 0;
}

static int sweep(void *map, int *key, struct ct_gc *value)
{
	sweeps++;
	bpf_for_each_map_elem(&conntrack, sweep_one, NULL, 0);
	bpf_timer_start(&value->timer, IDLE_NS, 0);
	return 0;
}

static void arm(void)
{
	int zero = 0;
	struct ct_gc *value = bpf_map_lookup_elem(&gc, &zero);

	if (!value || value->armed)
		return;
	if (bpf_timer_init(&value->timer, &gc, CLOCK_MONOTONIC))
		return;
	bpf_timer_set_callback(&value->timer, sweep);
	bpf_timer_start(&value->timer, IDLE_NS, 0);
	value->armed = 1;
}

static __always_inline enum ct_state next_state(enum ct_state state, struct tcphdr *tcp)
{
	if (tcp->rst)
		return CT_CLOSED;
	if (tcp->fin)
		return state == CT_CLOSING ? CT_CLOSED : CT_CLOSING;
	if (state == CT_NEW && tcp->ack && !tcp->syn)
		return CT_ESTABLISHED;
	return state;
}

SEC("tc")
int ct_track(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *iph = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(iph + 1);
	struct ct_entry *entry, fresh = { .state = CT_NEW };
	struct ct_key key = {};
	__u32 way;

	arm();
	if ((void *)(tcp + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP) || iph->protocol != IPPROTO_TCP) {
		__sync_fetch_and_add(&ignored, 1);
		return TC_ACT_OK;
	}
	/* the same key for both ways: the lower address first */
	way = bpf_ntohl(iph->saddr) > bpf_ntohl(iph->daddr);
	if (way) {
		key.addr[0] = iph->daddr;
		key.addr[1] = iph->saddr;
		key.port[0] = tcp->dest;
		key.port[1] = tcp->source;
	} else {
		key.addr[0] = iph->saddr;
		key.addr[1] = iph->daddr;
		key.port[0] = tcp->source;
		key.port[1] = tcp->dest;
	}
	key.proto = IPPROTO_TCP;

	entry = bpf_map_lookup_elem(&conntrack, &key);
	if (!entry) {
		bpf_map_update_elem(&conntrack, &key, &fresh, BPF_NOEXIST);
		entry = bpf_map_lookup_elem(&conntrack, &key);
		if (!entry)
			return TC_ACT_OK;
	}
	bpf_spin_lock(&entry->lock);
	entry->state = next_state(entry->state, tcp);
	if (way) {
		entry->packets[1]++;
		entry->bytes[1] += skb->len;
	} else {
		entry->packets[0]++;
		entry->bytes[0] += skb->len;
	}
	bpf_spin_unlock(&entry->lock);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
