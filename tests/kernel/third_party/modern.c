// SPDX-License-Identifier: GPL-2.0
/* What newer kernels offer: dynptrs through kernel functions, loops with a callback, a bloom filter, a queue, a
 * ring buffer, and subprograms that are verified on their own. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#define ETH_P_IP 0x0800
#define TC_ACT_OK 0

/* A field that some kernels have. */
struct sk_buff___before_6_11 {
	__u8 mono_delivery_time;
} __attribute__((preserve_access_index));

struct event {
	__u32 saddr;
	__u16 length;
	__u8 protocol;
};

struct sums {
	__u64 packets;
	__u64 first_seen;
	__u64 bytes_summed;
};

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 1000);
	__type(value, __u32);
	__uint(map_extra, 3);
} sources_seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 16);
	__type(value, struct event);
} recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} not_used_here SEC(".maps");

struct sums sums = {};
__u64 ring_full SEC(".data.counters") = 0;
const volatile __u32 bytes_to_sum = 1;

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 buffer__szk) __ksym;

struct walk {
	struct __sk_buff *skb;
	__u64 sum;
};

static long add_byte(__u32 index, void *context)
{
	struct walk *walk = context;
	__u8 byte = 0;

	if (bpf_skb_load_bytes(walk->skb, 14 + index, &byte, 1))
		return 1;
	walk->sum += byte;
	return 0;
}

__noinline int remember(struct event *event)
{
	if (!event)
		return -1;
	if (bpf_map_peek_elem(&sources_seen, &event->saddr) == -2 /* ENOENT */) {
		bpf_map_push_elem(&sources_seen, &event->saddr, BPF_ANY);
		sums.first_seen++;
	}
	return bpf_map_push_elem(&recent, event, BPF_EXIST);
}

SEC("tcx/ingress")
int modern_ingress(struct __sk_buff *skb)
{
	struct event event = {}, *slot;
	struct walk walk = { .skb = skb };
	struct iphdr buffer, *ip;
	struct bpf_dynptr ptr;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return TCX_NEXT;
	if (bpf_dynptr_from_skb(skb, 0, &ptr))
		return TCX_NEXT;
	ip = bpf_dynptr_slice(&ptr, 14, &buffer, sizeof(buffer));
	if (!ip)
		return TCX_NEXT;
	event.saddr = ip->saddr;
	event.length = bpf_ntohs(ip->tot_len);
	event.protocol = ip->protocol;
	sums.packets++;
	remember(&event);

	bpf_loop(bytes_to_sum, add_byte, &walk, 0);
	sums.bytes_summed += walk.sum;

	slot = bpf_ringbuf_reserve(&events, sizeof(*slot), 0);
	if (!slot) {
		ring_full++;
		return TCX_NEXT;
	}
	*slot = event;
	bpf_ringbuf_submit(slot, 0);
	return bpf_core_field_exists(struct sk_buff___before_6_11, mono_delivery_time) ? TCX_PASS : TCX_NEXT;
}

char LICENSE[] SEC("license") = "GPL";
