/*
 * stage: verify
 * line: 13
 * says: an index leads outside of a variable on the stack.*invalid unbounded variable-offset write to stack R\d
 * hint: compare the index with the length of the array right before it is
 * note: r\d was a pointer to the stack, 32 bytes below its top; the code writes 1 byte at offset 0
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	volatile u8 seen[32] = {};

	seen[md->packet_len] = 1;
	return seen[3] ? RX_DROP : RX_OK;
}
