/*
 * stage: verify
 * line: 11
 * says: the instructions do not hang together: some are never reached, or the program runs out at its end.*unreachable insn 4
 * hint: this comes of assembly, __builtin_unreachable\(\), a loop without an
 */

static __noinline int nothing(u32 a)
{
	asm volatile("exit");
	return 1;
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return nothing(md->packet_len) ? RX_DROP : RX_OK;
}
