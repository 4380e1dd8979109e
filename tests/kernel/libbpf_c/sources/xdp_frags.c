#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 bytes;

SEC("xdp.frags")
int jumbo(struct xdp_md *ctx)
{
	__u8 last;
	__u64 length = bpf_xdp_get_buff_len(ctx);

	if (length && !bpf_xdp_load_bytes(ctx, length - 1, &last, sizeof(last)))
		__sync_fetch_and_add(&bytes, length);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
