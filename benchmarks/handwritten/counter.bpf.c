/* The packet counter as one would write it for libbpf. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} packets SEC(".maps");

SEC("tc")
int handwritten(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *total = bpf_map_lookup_elem(&packets, &key);

	if (total)
		__sync_fetch_and_add(total, 1);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
