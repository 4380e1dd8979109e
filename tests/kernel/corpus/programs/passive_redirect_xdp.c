/*
 * stage: check
 * line: 15
 * says: a passive cube may not call bpf_redirect: .*cannot use helper bpf_redirect#
 * hint: make a cube that is not passive
 * passive: true
 * hook: XDP_SKB
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	if (data + 34 > data_end)
		return bpf_redirect(1, 0);
	return RX_OK;
}
