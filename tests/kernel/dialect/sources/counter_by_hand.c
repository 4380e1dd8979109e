#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, int);
	__type(value, __u64);
	__uint(max_entries, 1);
} PKT_COUNTER SEC(".maps");

#ifdef HOOK_TC
#define PASS TC_ACT_UNSPEC
SEC("tc") int by_hand(struct __sk_buff *ctx)
#else
#define PASS XDP_PASS
SEC("xdp") int by_hand(struct xdp_md *ctx)
#endif
{
	unsigned int key = 0;
	__u64 *counter = bpf_map_lookup_elem(&PKT_COUNTER, &key);

	if (counter)
		__sync_fetch_and_add(counter, 1);
	return PASS;
}

char _license[] SEC("license") = "GPL";
