/*
 * stage: verify
 * line: 18
 * says: something is given back that was not taken, or that was given back before.*R\d type=map_value expected=ringbuf_mem
 * hint: give back what bpf_ringbuf_reserve or bpf_sk_lookup_\* returned once,
 * note: r\d, argument 1 of bpf_ringbuf_submit, was a pointer into a value of map 'TOTALS' \(8 bytes\)
 */

BPF_ARRAY(TOTALS, u64, 1);
BPF_RINGBUF_OUTPUT(EVENTS, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int zero = 0;
	u64 *total = TOTALS.lookup(&zero);

	if (total)
		EVENTS.ringbuf_submit(total, 0);
	return RX_OK;
}
