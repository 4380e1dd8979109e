/*
 * stage: verify
 * line: 24
 * says: packets may be NULL: the result of looking up map 'flows' in line \d+ is used without a comparison.*R\d invalid mem access 'map_value_or_null'
 * hint: write if \(!packets\) return RX_OK; \(in libbpf C the verdict that
 * note: r\d was the result of looking up map 'flows', not yet compared with NULL; the code reads 8 bytes at offset 0
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} flows SEC(".maps");

static __noinline __u64 packets_of(__u32 key)
{
	__u64 *packets = bpf_map_lookup_elem(&flows, &key);

	return *packets;
}

SEC("tc")
int count(struct __sk_buff *skb)
{
	return packets_of(skb->protocol) ? TC_ACT_OK : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
