/*
 * stage: verify
 * line: 18
 * says: something is given back that was not taken, or that was given back before.*R\d type=scalar expected=ringbuf_mem
 * hint: give back what bpf_ringbuf_reserve or bpf_sk_lookup_\* returned once,
 * note: r\d, argument 1 of bpf_ringbuf_submit, was a number that can be anything
 */

BPF_RINGBUF_OUTPUT(EVENTS, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u64 *event = EVENTS.ringbuf_reserve(8);

	if (!event)
		return RX_OK;
	EVENTS.ringbuf_submit(event, 0);
	EVENTS.ringbuf_submit(event, 0);
	return RX_OK;
}
