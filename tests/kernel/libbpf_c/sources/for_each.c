#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} ages SEC(".maps");

__u32 oldest;

struct bpf_map;

static long look_at(struct bpf_map *map, const __u32 *key, __u64 *value, void *context)
{
	__u64 *most = context;

	if (*value > *most) {
		*most = *value;
		oldest = *key;
	}
	return 0;
}

SEC("xdp")
int find_oldest(struct xdp_md *ctx)
{
	__u64 most = 0;

	bpf_for_each_map_elem(&ages, look_at, &most, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
