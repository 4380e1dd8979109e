/*
 * stage: verify
 * line: 10
 * says: bpf_sys_close is not there for this type of program, or not in this kernel.*(program of this type cannot use helper|unknown func) bpf_sys_close#168
 * hint: bpftool feature probe lists the helpers of each program type
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	bpf_sys_close(3);
	return RX_OK;
}
