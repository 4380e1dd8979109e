/*
 * stage: open
 * says: map 'flows' has no max_entries: the code leaves its size open
 * hint: give it in "map-sizes": \{"flows": 1024\}
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
} flows SEC(".maps");

SEC("tc")
int count(struct __sk_buff *skb)
{
	__u32 key = skb->protocol;
	__u64 one = 1;

	bpf_map_update_elem(&flows, &key, &one, BPF_ANY);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
