/*
 * stage: compile
 * line: 15
 * says: too many arguments to function call, expected 2, have 3
 * hint: ^$
 */

static __always_inline u32 larger(u32 a, u32 b)
{
	return a > b ? a : b;
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	if (larger(md->packet_len, 60, 1) > 60)
		return RX_DROP;
	return RX_OK;
}
