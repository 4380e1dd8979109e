/*
 * stage: verify
 * line: 11
 * says: bpf_skb_store_bytes is there for TC programs only, which have a struct __sk_buff.*(program of this type cannot use helper|unknown func) bpf_skb_store_bytes#9
 * hint: make the cube of type TC, or read and write the packet through data
 * hook: XDP_SKB
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	bpf_skb_store_bytes((void *)ctx, 0, "x", 1, 0);
	return RX_OK;
}
