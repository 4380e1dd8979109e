// SPDX-License-Identifier: GPL-2.0
/* A program whose function and map are in a library. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int account(struct __sk_buff *skb);

extern struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} shared SEC(".maps");

static __u64 own_calls;

SEC("tc")
int call(struct __sk_buff *skb)
{
	__u32 key = 1;
	__u64 *value = bpf_map_lookup_elem(&shared, &key);

	own_calls++;
	if (value)
		*value += 1;
	return account(skb) - 1;
}

char _license[] SEC("license") = "GPL";
