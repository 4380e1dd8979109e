/*
 * stage: compile
 * line: 9
 * says: map 'FLOWS' is declared twice
 * hint: give one of the two another name
 */

BPF_HASH(FLOWS, u32, u64, 8);
BPF_HASH(FLOWS, u64, u64, 8);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_OK;
}
