/*
 * stage: check
 * line: 13
 * says: a passive cube may not call bpf_skb_change_tail: .*cannot use helper bpf_skb_change_tail#
 * hint: make a cube that is not passive
 * passive: true
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	bpf_skb_change_tail(ctx, 60, 0);
	return RX_OK;
}
