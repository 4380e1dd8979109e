// SPDX-License-Identifier: GPL-2.0
/* A library that is linked to what calls it, by bpftool gen object. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} shared SEC(".maps");

static __u64 own_calls;
__weak int step = 3;

int account(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&shared, &key);

	own_calls++;
	if (value)
		*value += step;
	return 0;
}

char _license[] SEC("license") = "GPL";
