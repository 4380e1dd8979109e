/*
 * stage: verify
 * line: 12
 * says: bpf_get_stack is there for tracing programs only: a packet belongs to no process.*(program of this type cannot use helper|unknown func) bpf_get_stack#67
 * hint: tell packets apart by what is in them, or by ctx->mark and
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u64 stack[4] = {};

	bpf_get_stack((void *)ctx, stack, sizeof(stack), 0);
	return stack[0] ? RX_DROP : RX_OK;
}
