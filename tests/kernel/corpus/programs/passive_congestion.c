/*
 * stage: check
 * line: 13
 * says: a passive cube cannot run the ingress code at line \d+: it calls bpf_skb_ecn_set_ce, which changes the packet
 * hint: make a cube that is not passive
 * passive: true
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	bpf_skb_ecn_set_ce(ctx);
	return RX_OK;
}
