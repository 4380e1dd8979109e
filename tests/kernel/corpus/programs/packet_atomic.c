/*
 * stage: verify
 * line: 14
 * says: an atomic operation works on map values only, not on pkt.*BPF_ATOMIC stores into R\d pkt is not allowed
 * hint: count in a map: the packet and ctx are this CPU's alone, so that a
 * note: r\d was a pointer into the packet of which 0 bytes are known to be there; the code writes 4 bytes at offset 14
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	if (data + 34 > data_end)
		return RX_OK;
	__sync_fetch_and_add((u32 *)(data + 14), 1);
	return RX_OK;
}
