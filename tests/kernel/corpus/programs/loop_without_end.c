/*
 * stage: verify
 * line: 12
 * says: a loop has no end that the verifier can see.*infinite loop detected at insn 3
 * hint: count with a variable that only the loop changes, up to a constant:
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	volatile u32 waiting = 1;

	while (waiting)
		;
	return RX_OK;
}
