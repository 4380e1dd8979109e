/* What later releases of libbpf have in bpf_helpers.h: open-coded loops, tags of arguments. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} slots SEC(".maps");

long rounds;

__noinline int measure(struct __sk_buff *skb __arg_ctx, long *bytes __arg_nonnull)
{
	*bytes += skb->len;
	return 0;
}

SEC("tcx/ingress")
int many_rounds(struct __sk_buff *skb)
{
	long bytes = 0;
	__u32 slot;

	bpf_for(slot, 0, 10) {
		__u64 *count = bpf_map_lookup_elem(&slots, &slot);

		if (count)
			*count += 1;
	}
	bpf_repeat(3)
		rounds++;
	measure(skb, &bytes);
	return TCX_NEXT;
}

char _license[] SEC("license") = "GPL";
