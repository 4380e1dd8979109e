/*
 * stage: check
 * line: 16
 * says: a passive cube may not write to the packet \(cannot write into packet\)
 * hint: copy the bytes
 * passive: true
 * hook: XDP_SKB
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	if (data + 34 > data_end)
		return RX_OK;
	*(u8 *)(data + 23) = 17;
	return RX_OK;
}
