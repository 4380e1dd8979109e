/*
 * stage: verify
 * line: 11
 * says: ctx has no field that may be accessed like this at this kind of program.*invalid bpf_context access off=4000 size=4
 * hint: use the fields of struct __sk_buff \(TC\) or struct xdp_md \(XDP\)
 * note: r\d was ctx, the context of the program; the code reads 4 bytes at offset 4000
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return *(u32 *)((char *)ctx + 4000) ? RX_DROP : RX_OK;
}
