/*
 * stage: verify
 * line: 13
 * says: what is used as a pointer is a number, or a pointer the kernel does not know.*R\d invalid mem access 'scalar'
 * hint: packets are read through \(void \*\)\(long\)ctx->data, kernel memory
 * note: r\d was a number between 0 and 4294967295
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 *word = (u32 *)(u64)md->packet_len;

	return *word ? RX_DROP : RX_OK;
}
