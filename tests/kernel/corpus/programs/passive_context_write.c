/*
 * stage: check
 * line: 13
 * says: a passive cube may not access this field of ctx \(invalid bpf_context access
 * hint: write none but mark, priority, cb and tstamp, which are put back
 * passive: true
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	ctx->tc_index = 7;
	return RX_OK;
}
