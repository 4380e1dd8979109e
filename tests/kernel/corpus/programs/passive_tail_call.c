/*
 * stage: check
 * line: 9
 * says: it calls bpf_tail_call, which goes on in a program that is not part of the proof
 * hint: make a cube that is not passive
 * passive: true
 */

BPF_PROG_ARRAY(NEXT_ONE, 2);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	NEXT_ONE.call(ctx, 0);
	return RX_OK;
}
