/*
 * stage: open
 * says: the key of map 'caches.inner' is a struct that the object declares and does not define
 * hint: add a global variable of it, or write __uint\(key_size, sizeof
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct flow {
	__u32 source, destination;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 8);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_LRU_HASH);
		__uint(max_entries, 1024);
		__type(key, struct flow);
		__type(value, __u64);
	});
} caches SEC(".maps");

SEC("tc")
int count(struct __sk_buff *skb)
{
	__u32 index = 0;

	return bpf_map_lookup_elem(&caches, &index) ? TC_ACT_OK : TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
