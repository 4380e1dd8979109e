// SPDX-License-Identifier: GPL-2.0
/* The size and mixture of an object that is shipped with a product: 8 programs of several kinds and 19 maps. It is
 * compiled by a test, relieved of its debug information and given to Dynmon as it is. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#define ETH_P_IP 0x0800
#define TC_ACT_OK 0
#define TC_ACT_UNSPEC (-1)

typedef struct endpoint_t {
	u8 address[16];
	u16 port;
} __attribute__((packed)) endpoint;

typedef struct traffic_t {
	u64 packets;
	u64 bytes;
	u8 first_mac[6];
	u8 direction;
} __attribute__((packed)) traffic;

enum counter_key {
	COUNTER_SEEN,
	COUNTER_NOT_IP,
	COUNTER_MAP_FULL,
	COUNTER_RING_FULL,
	COUNTER_MAX,
};

#define MAP(NAME, TYPE, ENTRIES, KEY, VALUE)      \
	struct {                                  \
		__uint(type, BPF_MAP_TYPE_##TYPE); \
		__uint(max_entries, ENTRIES);     \
		__type(key, KEY);                 \
		__type(value, VALUE);             \
	} NAME SEC(".maps")

MAP(flows, HASH, 1 << 24, endpoint, traffic);
MAP(flows_per_cpu, PERCPU_HASH, 1 << 20, endpoint, traffic);
MAP(recent_flows, LRU_HASH, 1 << 20, endpoint, u64);
MAP(recent_per_cpu, LRU_PERCPU_HASH, 1 << 16, u32, u64);
MAP(counters, PERCPU_ARRAY, COUNTER_MAX, u32, u64);
MAP(settings, ARRAY, 4, u32, u32);
MAP(devices, DEVMAP, 64, u32, u32);
MAP(device_names, DEVMAP_HASH, 64, u32, u32);
MAP(cpus, CPUMAP, 64, u32, u32);
MAP(sockets, XSKMAP, 64, u32, u32);
MAP(stacks, STACK_TRACE, 1024, u32, u64[127]);

struct prefix {
	u32 length;
	u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, u8);
} filters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} direct_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(u32));
} packet_record SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 128);
	__type(value, u32);
} backlog SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} socket_times SEC(".maps");

struct inner_counts {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} counts_of_udp SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 8);
	__type(key, u32);
	__array(values, struct inner_counts);
} counts_by_protocol SEC(".maps") = {
	.values = { [7] = &counts_of_udp },
};

int on_udp(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, sizeof(u32));
	__array(values, int (void *));
} stages SEC(".maps") = {
	.values = { [1] = (void *)&on_udp },
};

volatile const u32 sampling = 1;
volatile const u8 observed_direction = 9;

static __always_inline void count(u32 key)
{
	u64 *counter = bpf_map_lookup_elem(&counters, &key);

	if (counter)
		*counter += 1;
}

__attribute__((noinline)) static bool is_filtered(u32 address)
{
	struct prefix key = { .length = 32 };

	__builtin_memcpy(key.address, &address, sizeof(key.address));
	return bpf_map_lookup_elem(&filters, &key) != NULL;
}

static __always_inline int monitor(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	traffic *known, fresh = { .packets = 1, .bytes = skb->len, .direction = observed_direction };
	endpoint from = {};

	count(COUNTER_SEEN);
	if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP)) {
		count(COUNTER_NOT_IP);
		return TC_ACT_OK;
	}
	if (sampling > 1 && bpf_get_prandom_u32() % sampling)
		return TC_ACT_OK;
	if (is_filtered(ip->saddr))
		return TC_ACT_OK;
	from.address[10] = from.address[11] = 0xff;
	__builtin_memcpy(from.address + 12, &ip->saddr, 4);
	known = bpf_map_lookup_elem(&flows, &from);
	if (known) {
		__sync_fetch_and_add(&known->packets, 1);
		known->bytes += skb->len;
	} else {
		__builtin_memcpy(fresh.first_mac, eth->h_source, 6);
		if (bpf_map_update_elem(&flows, &from, &fresh, BPF_NOEXIST)) {
			count(COUNTER_MAP_FULL);
			if (bpf_ringbuf_output(&direct_flows, &fresh, sizeof(fresh), 0))
				count(COUNTER_RING_FULL);
		}
	}
	if (ip->protocol == IPPROTO_UDP)
		bpf_tail_call(skb, &stages, 1);
	return TC_ACT_OK;
}

SEC("tc")
int on_udp(struct __sk_buff *skb)
{
	u32 outer = 7, slot = 1, length = skb->len;
	u64 *value;
	void *inner;

	inner = bpf_map_lookup_elem(&counts_by_protocol, &outer);
	value = inner ? bpf_map_lookup_elem(inner, &slot) : NULL;
	if (value)
		__sync_fetch_and_add(value, 1);
	bpf_map_push_elem(&backlog, &length, BPF_EXIST);
	return TC_ACT_OK;
}

SEC("tc_ingress")
int ingress(struct __sk_buff *skb)
{
	return monitor(skb);
}

SEC("tc_egress")
int egress(struct __sk_buff *skb)
{
	return monitor(skb);
}

SEC("xdp")
int steer(struct xdp_md *ctx)
{
	u32 *where, key = 0;

	where = bpf_map_lookup_elem(&settings, &key);
	if (!where || !*where)
		return XDP_PASS;
	if (*where == 1)
		return bpf_redirect_map(&devices, 0, XDP_PASS);
	if (*where == 2)
		return bpf_redirect_map(&device_names, 0, XDP_PASS);
	if (*where == 3)
		return bpf_redirect_map(&cpus, 0, XDP_PASS);
	return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}

SEC("fentry/tcp_rcv_established")
int BPF_PROG(on_established, struct sock *sk, struct sk_buff *skb)
{
	u64 *when = bpf_sk_storage_get(&socket_times, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (when)
		*when = bpf_ktime_get_ns();
	return 0;
}

SEC("kprobe/tcp_retransmit_skb")
int BPF_KPROBE(on_retransmit, struct sock *sk)
{
	u32 key = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	u64 one = 1;

	bpf_map_update_elem(&recent_per_cpu, &key, &one, BPF_ANY);
	bpf_get_stackid(ctx, &stacks, 0);
	return 0;
}

SEC("tracepoint/skb/kfree_skb")
int on_drop(struct trace_event_raw_kfree_skb *args)
{
	endpoint who = { .port = args->protocol };
	traffic drops = { .packets = 1 };
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&flows_per_cpu, &who, &drops, BPF_NOEXIST);
	bpf_map_update_elem(&recent_flows, &who, &now, BPF_ANY);
	bpf_perf_event_output(args, &packet_record, BPF_F_CURRENT_CPU, &now, sizeof(now));
	return 0;
}

SEC("raw_tp/netif_receive_skb")
int BPF_PROG(on_receive, struct sk_buff *skb)
{
	count(COUNTER_SEEN);
	return 0;
}

char _license[] SEC("license") = "GPL";
