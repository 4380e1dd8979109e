/*
 * stage: verify
 * line: 14
 * says: the helper wants a map here.*R\d type=fp expected=map_ptr
 * hint: give it the address of the map's declaration: &NAME in libbpf C; in
 * note: r\d, argument 1 of bpf_map_lookup_elem, was a pointer to the stack, 4 bytes below its top
 */

BPF_ARRAY(TOTALS, u64, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int zero = 0;
	u64 *total = bpf_map_lookup_elem((void *)&zero, &zero);

	return total ? RX_DROP : RX_OK;
}
