/*
 * stage: compile
 * line: 14
 * says: no member named 'find' in what line \d+ declares
 * hint: maps have lookup, update, insert, delete, increment,
 */

BPF_HASH(FLOWS, u32, u64, 8);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = 0;

	FLOWS.find(&key);
	return RX_OK;
}
