/*
 * stage: compile
 * line: 10
 * says: a function that is not inlined returns a struct, or takes a variable number of arguments
 * hint: mark the function static __always_inline, or give it a pointer to a
 */

struct pair { u64 a, b, c; };

static __noinline struct pair make(u64 a)
{
	struct pair pair = {a, a + 1, a + 2};

	asm volatile("");
	return pair;
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct pair pair = make(md->packet_len);

	return pair.b + pair.c > 9 ? RX_DROP : RX_OK;
}
