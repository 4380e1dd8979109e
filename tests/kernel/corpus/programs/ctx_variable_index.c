/*
 * stage: verify
 * line: 13
 * says: ctx itself was moved before its field was read.*variable ctx access var_off=\(0x0
 * hint: name each field \(ctx->protocol\); ctx is no array and takes no
 * note: r\d was ctx, the context of the program; the code reads 4 bytes at offset 48
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 index = bpf_get_prandom_u32() & 3;

	return *((volatile u32 *)ctx + 12 + index) ? RX_DROP : RX_OK;
}
