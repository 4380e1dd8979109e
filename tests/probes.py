"""Code that counts packets, for tests of what becomes of the numbers."""

# All of them in PACKETS, by length in SIZES; the last length in LAST.
PACKETS_AND_SIZES = """
BPF_ARRAY(PACKETS, u64, 1);
BPF_ARRAY(LAST, u32, 1);
BPF_HASH(SIZES, u32, u64, 32);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	unsigned int zero = 0;
	u32 size = md->packet_len;
	u64 none = 0, *seen, *count = PACKETS.lookup(&zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	LAST.update(&zero, &size);
	seen = SIZES.lookup_or_try_init(&size, &none);
	if (seen)
		__sync_fetch_and_add(seen, 1);
	return RX_OK;
}
"""
