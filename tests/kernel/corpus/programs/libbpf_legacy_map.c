/*
 * stage: open
 * says: map 'totals' is a legacy map definition \(struct bpf_map_def in SEC\('maps'\)\), which libbpf 1\.0 and later do not support
 * hint: declare it as: struct \{ __uint\(type, BPF_MAP_TYPE_ARRAY\);
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_map_def {
	unsigned int type, key_size, value_size, max_entries, map_flags;
};

struct bpf_map_def SEC("maps") totals = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = 4,
	.value_size = 8,
	.max_entries = 16,
};

SEC("tc")
int count(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *total = bpf_map_lookup_elem(&totals, &zero);

	return total ? 0 : 2;
}

char LICENSE[] SEC("license") = "GPL";
