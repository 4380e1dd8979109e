/*
 * stage: verify
 * line: 17
 * says: a pointer into the packet is moved by a number without a bound.*math between pkt pointer and register with unbounded min value is not allowed
 * hint: keep the number small before it is added \(n &= 0x3f; or if \(n >
 * note: r\d was a pointer into the packet of which 22 bytes are known to be there
 * hook: XDP_SKB
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	if (data + 22 > data_end)
		return RX_OK;

	u64 distance = *(u64 *)(data + 14);
	char *at = data + distance;

	if (at + 1 > (char *)data_end)
		return RX_OK;
	return *at ? RX_DROP : RX_OK;
}
