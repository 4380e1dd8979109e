/*
 * stage: compile
 * line: 10
 * says: 'pcn_pkt_redirect' is unavailable: a dynmon cube has no ports to redirect to
 * hint: a dynmon cube watches one interface: its code says RX_OK or RX_DROP,
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return pcn_pkt_redirect(ctx, md, 1);
}
