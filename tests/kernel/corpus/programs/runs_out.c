/*
 * stage: verify
 * line: 12
 * says: the instructions do not hang together: some are never reached, or the program runs out at its end.*jump out of range from insn 0 to 1001
 * hint: this comes of assembly, __builtin_unreachable\(\), a loop without an
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	if (md->packet_len > 1000)
		__builtin_unreachable();
	asm volatile("goto +1000");
	return RX_OK;
}
