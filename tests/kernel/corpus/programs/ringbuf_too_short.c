/*
 * stage: verify
 * line: 17
 * says: there are 8 bytes, and 8 are accessed at offset 8.*invalid access to memory, mem_size=8 off=8 size=8
 * hint: reserve sizeof\(\) of what is stored, and stay within it
 * note: r\d was a pointer to 8 bytes of memory; the code writes 8 bytes at offset 8
 */

BPF_RINGBUF_OUTPUT(EVENTS, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u64 *event = EVENTS.ringbuf_reserve(8);

	if (!event)
		return RX_OK;
	event[1] = bpf_ktime_get_ns();
	EVENTS.ringbuf_submit(event, 0);
	return RX_OK;
}
