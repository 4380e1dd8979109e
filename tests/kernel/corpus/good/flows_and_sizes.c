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
