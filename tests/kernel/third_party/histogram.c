// SPDX-License-Identifier: GPL-2.0
/* Sizes by protocol, in a packed struct, with the lines that one leaves behind while debugging. */
#include <vmlinux.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define MAX_SLOTS 12

struct hist_key {
	u8 proto;
	u16 ethertype;
} __attribute__((packed));

struct hist {
	u8 used;
	u32 slots[MAX_SLOTS];
	u64 sum;
	s16 smallest;
} __attribute__((packed));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct hist_key);
	__type(value, struct hist);
} hists SEC(".maps");

static struct hist zero;
static const char fmt[] = "proto %d length %d\n";

static __always_inline u64 log2(u32 v)
{
	u32 shift, r;

	r = (v > 0xFFFF) << 4; v >>= r;
	shift = (v > 0xFF) << 3; v >>= shift; r |= shift;
	shift = (v > 0xF) << 2; v >>= shift; r |= shift;
	shift = (v > 0x3) << 1; v >>= shift; r |= shift;
	r |= (v >> 1);
	return r;
}

SEC("tc")
int sizes(struct __sk_buff *skb)
{
	struct hist_key key = {};
	struct hist *histp;
	u64 slot;
	u8 proto = 0;

	key.ethertype = bpf_ntohs(skb->protocol);
	if (skb->protocol == bpf_htons(0x0800) && !bpf_skb_load_bytes(skb, 23, &proto, 1))
		key.proto = proto;

	histp = bpf_map_lookup_elem(&hists, &key);
	if (!histp) {
		zero.smallest = 0x7fff;
		bpf_map_update_elem(&hists, &key, &zero, BPF_NOEXIST);
		histp = bpf_map_lookup_elem(&hists, &key);
		if (!histp)
			return 0;
	}
	slot = log2(skb->len);
	if (slot >= MAX_SLOTS)
		slot = MAX_SLOTS - 1;
	histp->used = 1;
	histp->slots[slot]++;
	histp->sum += skb->len;
	if ((s16)skb->len < histp->smallest)
		histp->smallest = skb->len;
	bpf_printk("slot %llu of %d", slot, MAX_SLOTS);
	bpf_trace_printk(fmt, sizeof(fmt), proto, skb->len);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
