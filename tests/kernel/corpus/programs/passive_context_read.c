/*
 * stage: check
 * line: 13
 * says: a passive cube may not access this field of ctx
 * hint: leave out data_meta, tc_classid and wire_len
 * passive: true
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	md->reason = ctx->tc_classid;
	if (md->reason == 7)
		return RX_DROP;
	return RX_OK;
}
