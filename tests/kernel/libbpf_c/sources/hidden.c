#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__hidden int shared_counter;
int optional_hook(struct xdp_md *ctx) __weak;

__hidden __attribute__((noinline)) int classify(void *data, void *data_end)
{
	unsigned char *byte = data;

	if (data + 1 > data_end)
		return -1;
	return *byte & 1;
}

__weak int optional_hook(struct xdp_md *ctx)
{
	return ctx->rx_queue_index;
}

SEC("xdp")
int with_hidden(struct xdp_md *ctx)
{
	int kind = classify((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (kind < 0)
		return XDP_ABORTED;
	shared_counter += kind + optional_hook(ctx);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
