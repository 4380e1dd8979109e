/*
 * stage: compile
 * line: 8
 * says: map 'FLOWS' is made of 'struct flow', which is not declared before it
 * hint: put the declaration of the struct above the map
 */

BPF_HASH(FLOWS, struct flow, u64, 8);

struct flow { u32 from, to; };

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_OK;
}
