/*
 * stage: verify
 * line: 13
 * says: functions call each other deeper than 8 levels, or themselves.*the call stack of 9 frames is too deep
 * hint: write a loop with a constant bound in place of the recursion, or mark
 */

static __noinline int again(u32 left)
{
	asm volatile("");
	if (left < 2)
		return 1;
	return again(left - 1) + again(left - 2);
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return again(md->packet_len & 63) > 3 ? RX_DROP : RX_OK;
}
