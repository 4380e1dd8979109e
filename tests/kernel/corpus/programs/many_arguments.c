/*
 * stage: compile
 * line: 18
 * says: a function that is not inlined takes more than 5 arguments
 * hint: mark the function static __always_inline, or give it a pointer to a
 */

static __noinline int sum(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f)
{
	asm volatile("");
	return a + b * c + d * e + f;
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 n = md->packet_len;

	return sum(n, n + 1, n + 2, n + 3, n + 4, n + 5) ? RX_DROP : RX_OK;
}
