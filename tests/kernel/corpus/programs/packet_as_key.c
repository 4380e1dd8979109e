/*
 * stage: verify
 * line: 14
 * says: the packet may end before the bytes that are accessed here.*invalid access to packet, off=0 size=8, R\d\(id=0,off=0,r=0\)
 * hint: compare the end of what is accessed with data_end first: if \(data \+
 * note: r\d, argument 2 of bpf_map_lookup_elem, was a pointer into the packet of which 0 bytes are known to be there
 */

BPF_HASH(SEEN, u64, u64, 64);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	u64 *count = SEEN.lookup((u64 *)data);

	if (count)
		*count += 1;
	return RX_OK;
}
