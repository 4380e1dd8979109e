/*
 * stage: compile
 * line: 8
 * says: expected 
 * hint: BPF_HASH\(NAME, key type, leaf type, entries\)
 */

BPF_HASH(FLOWS, u32, u64, 1024, 0, 0);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = md->packet_len;

	FLOWS.increment(key);
	return RX_OK;
}
