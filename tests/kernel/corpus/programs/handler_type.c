/*
 * stage: compile
 * line: 8
 * says: conflicting types for 'handle_rx': it must be static __always_inline int handle_rx\(struct CTXTYPE \*ctx, struct pkt_metadata \*md\)
 * hint: copy that line, then \{ and the body
 */

int handle_rx(struct CTXTYPE *ctx)
{
	return RX_OK;
}
