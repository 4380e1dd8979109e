/*
 * stage: verify
 * line: 13
 * says: a number is accessed at an address that is no multiple of its size.*misaligned stack access off 0\+0\+-13 size 8
 * hint: copy it out with __builtin_memcpy\(&x, p, sizeof\(x\)\), or put
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	char bytes[16] = {};

	asm volatile("" : : "r"(&bytes) : "memory");
	*(volatile u64 *)(bytes + 3) = 1;
	return bytes[5] ? RX_DROP : RX_OK;
}
