/*
 * stage: verify
 * line: 10
 * says: an instruction is none that this kernel has.*frame pointer is read only
 * hint: compile with clang -target bpf -mcpu=v3 \(older kernels: v2\), and
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	asm volatile("r10 = 1");
	return RX_OK;
}
