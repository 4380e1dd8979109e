/*
 * stage: compile
 * line: 11
 * says: variable has incomplete type 'struct bpf_map_def'
 * hint: gone since libbpf 1\.0.*SEC\("\.maps"\)
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_map_def SEC("maps") totals = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = 4,
	.value_size = 8,
	.max_entries = 16,
};

SEC("tc")
int count(struct __sk_buff *skb)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&totals, &key) ? 1 : 0;
}

char LICENSE[] SEC("license") = "GPL";
