/*
 * stage: check
 * line: 13
 * says: a passive cube may not call bpf_skb_store_bytes: .*cannot use helper bpf_skb_store_bytes#
 * hint: read with bpf_skb_load_bytes
 * passive: true
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	bpf_skb_store_bytes(ctx, 0, "x", 1, 0);
	return RX_OK;
}
