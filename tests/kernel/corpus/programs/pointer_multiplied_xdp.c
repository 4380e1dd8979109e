/*
 * stage: verify
 * line: 13
 * says: a pointer is computed with as if it were a number.*R\d pointer arithmetic with <<= operator prohibited
 * hint: only numbers can be added to a pointer or taken from it; align or
 * note: r\d was a pointer into the packet of which 0 bytes are known to be there
 * hook: XDP_SKB
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	char *twice = (char *)((unsigned long)data * 2);

	if (twice + 1 > (char *)data_end)
		return RX_OK;
	return *twice ? RX_DROP : RX_OK;
}
