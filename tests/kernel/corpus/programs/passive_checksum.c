/*
 * stage: check
 * line: 13
 * says: a passive cube may not call bpf_l3_csum_replace: .*cannot use helper bpf_l3_csum_replace#
 * hint: make a cube that is not passive
 * passive: true
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	bpf_l3_csum_replace(ctx, 24, 1, 2, 2);
	return RX_OK;
}
