/*
 * stage: verify
 * line: 12
 * says: a pointer into the packet is moved by a number without a bound.*math between pkt pointer and 8589934588 is not allowed
 * hint: keep the number small before it is added \(n &= 0x3f; or if \(n >
 * note: r\d was a pointer into the packet of which 0 bytes are known to be there
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	u32 *aligned = (u32 *)(((unsigned long)data + 17) & ~3ul);

	if ((void *)(aligned + 1) > data_end)
		return RX_OK;
	return *aligned ? RX_DROP : RX_OK;
}
