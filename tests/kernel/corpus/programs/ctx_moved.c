/*
 * stage: verify
 * line: 13
 * says: ctx itself was moved before its field was read.*dereference of modified ctx ptr R\d off=8 disallowed
 * hint: name each field \(ctx->protocol\); ctx is no array and takes no
 * note: r\d was ctx, the context of the program; the code reads 4 bytes at offset 8
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *moved = ctx;

	asm volatile("%0 += 8\n r0 = *(u32 *)(%0 + 0)" : "+r"(moved) : : "r0");
	return RX_OK;
}
