/*
 * stage: check
 * line: 18
 * says: it calls kernel function 'bpf_dynptr_from_skb', of which nobody knows
 * hint: make a cube that is not passive
 * passive: true
 */

extern int bpf_dynptr_from_skb(struct __sk_buff *packet, u64 flags, struct bpf_dynptr *pointer)
	__attribute__((section(".ksyms")));

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	struct bpf_dynptr packet;

	if (!bpf_dynptr_from_skb(ctx, 0, &packet))
		bpf_dynptr_write(&packet, 0, "x", 1, 0);
	return RX_OK;
}
