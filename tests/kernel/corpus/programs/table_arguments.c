/*
 * stage: compile
 * line: 8
 * says: too many arguments provided to function-like macro invocation
 * hint: BPF_TABLE\("hash", key type, leaf type, NAME, entries\)
 */

BPF_TABLE("hash", u32, u64, FLOWS, 1024, 0);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_OK;
}
