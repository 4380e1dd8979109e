/*
 * stage: verify
 * line: 13
 * says: a length that the helper takes may be zero, or has to be a constant.*R\d invalid zero-sized read: u64=\[0,4294967295\]
 * hint: give a constant such as sizeof\(value\), or bound it from below too:
 * note: r\d, argument 4 of bpf_skb_load_bytes, was a number between 0 and 4294967295
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	char bytes[16] = {};

	bpf_skb_load_bytes((void *)ctx, 14, bytes, *(volatile u32 *)&md->packet_len);
	return bytes[0] ? RX_DROP : RX_OK;
}
