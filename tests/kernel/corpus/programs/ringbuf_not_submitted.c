/*
 * stage: verify
 * line: 17
 * says: what was taken is not given back on every way out.*Unreleased reference id=2 alloc_insn=5
 * hint: call bpf_ringbuf_submit or bpf_ringbuf_discard \(bpf_sk_release for a
 */

BPF_RINGBUF_OUTPUT(EVENTS, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u64 *event = EVENTS.ringbuf_reserve(8);

	if (!event)
		return RX_OK;
	*event = bpf_ktime_get_ns();
	if (md->packet_len < 100)
		return RX_OK;
	EVENTS.ringbuf_submit(event, 0);
	return RX_OK;
}
