/*
 * stage: open
 * says: reference to undefined table 'FLOWS'
 * hint: inject the code that declares it first: BPF_TABLE_PUBLIC in any cube,
 */

BPF_TABLE("extern", u32, u64, FLOWS, 64);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = 0;

	return FLOWS.lookup(&key) ? RX_DROP : RX_OK;
}
