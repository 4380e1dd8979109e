/*
 * stage: compile
 * line: 12
 * says: a function that is not inlined takes more than 5 arguments
 * hint: it takes a format and at most three arguments in the dialect
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 n = md->packet_len;

	bpf_printk("many: %d", n, n, n, n);
	return RX_OK;
}
