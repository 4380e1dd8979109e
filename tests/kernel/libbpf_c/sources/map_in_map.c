#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct inner_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner_map);
} generations SEC(".maps") = {
	.values = { &first, &second },
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 8);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_LRU_HASH);
		__uint(max_entries, 64);
		__type(key, __u64);
		__type(value, __u32);
	});
} by_tenant SEC(".maps");

SEC("xdp")
int two_levels(struct xdp_md *ctx)
{
	__u32 generation = ctx->rx_queue_index & 1, slot = 2;
	__u64 *count, flow = ctx->ingress_ifindex;
	void *inner = bpf_map_lookup_elem(&generations, &generation);

	if (inner && (count = bpf_map_lookup_elem(inner, &slot)))
		__sync_fetch_and_add(count, 1);
	inner = bpf_map_lookup_elem(&by_tenant, &slot);
	if (inner)
		bpf_map_update_elem(inner, &flow, &slot, BPF_ANY);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
