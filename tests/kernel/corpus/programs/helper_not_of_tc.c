/*
 * stage: verify
 * line: 10
 * says: bpf_xdp_adjust_tail is there for XDP programs only.*(program of this type cannot use helper|unknown func) bpf_xdp_adjust_tail#65
 * hint: make the cube of type XDP_SKB or XDP_DRV; its egress path runs at TC
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	bpf_xdp_adjust_tail((void *)ctx, 4);
	return RX_OK;
}
