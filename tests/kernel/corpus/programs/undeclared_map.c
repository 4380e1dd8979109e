/*
 * stage: compile
 * line: 12
 * says: use of undeclared identifier 'FLOWS'
 * hint: declare the map above: BPF_HASH\(FLOWS, key type, value type,
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = 0;

	FLOWS.lookup(&key);
	return RX_OK;
}
