/*
 * stage: compile
 * line: 8
 * says: a function that is not inlined returns a struct, or takes a variable number of arguments
 * hint: mark the function static __always_inline, or give it a pointer to a
 */

static __noinline int first(int n, ...)
{
	__builtin_va_list rest;

	__builtin_va_start(rest, n);
	return __builtin_va_arg(rest, int);
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return first(md->packet_len, 2, 3) ? RX_DROP : RX_OK;
}
