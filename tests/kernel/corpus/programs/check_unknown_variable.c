/*
 * stage: check
 * says: variable 'packets' is not among the global variables of the ingress code; it has: limit
 * hint: a variable that the compiler could fold away is not in the object:
 * path: {"metric-configs": [{"name": "packets", "variable": "packets"}]}
 */

BPF_HASH(FLOWS, u32, u64, 64);
BPF_QUEUE(SIZES, u32, 8);
const volatile u32 limit = 5;

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = md->packet_len;

	SIZES.push(&key, 0);
	if (key > limit)
		FLOWS.increment(key);
	return RX_OK;
}
