/*
 * stage: verify
 * line: 31
 * says: a value of map 'scratch' has 64 bytes, and 128 are accessed at offset 0.*invalid access to map value, value_size=64 off=0 size=128
 * hint: compare the index with the length of the array first: if \(i >=
 * note: r\d, argument 3 of bpf_skb_load_bytes, was a pointer into a value of map 'scratch' \(64 bytes\)
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct scratch {
	char bytes[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

SEC("tc")
int copy(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct scratch *room = bpf_map_lookup_elem(&scratch, &zero);

	if (room)
		bpf_skb_load_bytes(skb, 0, room->bytes, 128);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
