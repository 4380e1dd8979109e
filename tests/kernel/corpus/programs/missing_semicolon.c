/*
 * stage: compile
 * line: 10
 * says: expected ';' at end of declaration
 * hint: put a ; at the end of that line
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 length = md->packet_len

	return length ? RX_DROP : RX_OK;
}
