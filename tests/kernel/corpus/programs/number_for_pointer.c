/*
 * stage: verify
 * line: 15
 * says: the helper wants the address of something here, not the thing.*R\d type=scalar expected=fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_
 * hint: put an & before it: NAME\.update\(&key, &value\)
 * note: r\d, argument 3 of bpf_map_update_elem, was the number 1
 */

BPF_HASH(SEEN, u32, u32, 64);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = md->packet_len;

	SEEN.update(&key, (void *)1);
	return RX_OK;
}
