/* How many packets pass? */

BPF_ARRAY(PKT_COUNTER, u64, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	unsigned int key = 0;
	u64 *packets = PKT_COUNTER.lookup(&key);

	/* Atomic: packets pass on several CPUs at once. */
	if (packets)
		__sync_fetch_and_add(packets, 1);
	return RX_OK;
}
