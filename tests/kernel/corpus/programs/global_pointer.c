/*
 * stage: verify
 * line: 16
 * says: the arguments or the result of a function that is checked by itself are of a kind that it cannot have.*arg#0 reference type\('UNKNOWN '\) size cannot be determined: -22
 * hint: make the function static __always_inline, or let it take ctx, numbers
 * needs: lazy-functions
 */

__attribute__((noinline)) int first_byte(void *data)
{
	return data ? *(char *)data : 0;
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return first_byte((void *)(long)ctx->data) ? RX_DROP : RX_OK;
}
