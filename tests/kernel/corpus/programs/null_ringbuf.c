/*
 * stage: verify
 * line: 15
 * says: the reserved memory may be NULL: it is used without a comparison.*R\d invalid mem access 'ringbuf_mem_or_null'
 * hint: compare what bpf_ringbuf_reserve returned with NULL first; it does so
 * note: r\d was a pointer to 8 bytes of memory from the ring buffer, not yet compared with NULL; the code writes 8 bytes at offset 0
 */

BPF_RINGBUF_OUTPUT(EVENTS, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u64 *event = EVENTS.ringbuf_reserve(sizeof(u64));

	*event = bpf_ktime_get_ns();
	EVENTS.ringbuf_submit(event, 0);
	return RX_OK;
}
