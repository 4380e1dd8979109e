/*
 * stage: verify
 * line: 13
 * says: a number is divided by the constant zero, or shifted by more bits than it has.*div by zero
 * hint: correct the constant: the compiler saw it too
 * note: r\d was a number between 0 and 4294967295
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 length = md->packet_len;

	asm volatile("%0 /= 0" : "+r"(length));
	return length ? RX_DROP : RX_OK;
}
