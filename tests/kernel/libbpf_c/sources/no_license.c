#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int free_for_all(struct xdp_md *ctx)
{
	return ctx->data == ctx->data_end ? XDP_DROP : XDP_PASS;
}
