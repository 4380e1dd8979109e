/*
 * stage: compile
 * says: handle_rx is not defined: the code must have a function static __always_inline int handle_rx\(struct CTXTYPE \*ctx, struct pkt_metadata \*md\)
 * hint: or leave handle_rx out and write libbpf C, with a program in
 */

BPF_ARRAY(TOTALS, u64, 1);

static __always_inline int handle(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_OK;
}
