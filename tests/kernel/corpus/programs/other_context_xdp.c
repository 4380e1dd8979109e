/*
 * stage: compile
 * line: 11
 * says: no member named 'len' in 'struct xdp_md'
 * hint: XDP sees the packet before the kernel knows that: take md->packet_len
 * hook: XDP_SKB
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return ctx->len > 100 ? RX_DROP : RX_OK;
}
