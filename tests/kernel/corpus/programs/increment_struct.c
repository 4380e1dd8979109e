/*
 * stage: compile
 * line: 13
 * says: increment needs a map whose leaf is an integer
 * hint: look the struct up and add to its member: t = M\.lookup\(&key\); if
 */

struct totals { u64 packets, bytes; };
BPF_ARRAY(TOTALS, struct totals, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	TOTALS.increment(0);
	return RX_OK;
}
