/*
 * stage: verify
 * line: 11
 * says: ctx has no field that may be accessed like this at this kind of program.*invalid bpf_context access off=1 size=2
 * hint: use the fields of struct __sk_buff \(TC\) or struct xdp_md \(XDP\)
 * note: r\d was ctx, the context of the program; the code reads 2 bytes at offset 1
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return *(u16 *)((char *)ctx + 1) ? RX_DROP : RX_OK;
}
