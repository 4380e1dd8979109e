/*
 * stage: verify
 * line: 10
 * says: the instructions do not hang together: some are never reached, or the program runs out at its end.*unreachable insn 1
 * hint: this comes of assembly, __builtin_unreachable\(\), a loop without an
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	asm volatile("exit\n r0 = 1");
	return RX_OK;
}
