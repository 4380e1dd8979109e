/*
 * stage: verify
 * line: 14
 * says: the helper wants ctx itself
 * hint: in a passive cube at XDP that is a copy
 * passive: true
 * hook: XDP_SKB
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	bpf_xdp_adjust_head((void *)ctx, 4);
	return RX_OK;
}
