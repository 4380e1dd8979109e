/*
 * stage: verify
 * line: 18
 * says: a value of map 'SIZES' has 64 bytes, and 4 are accessed at offset 268435452.*invalid access to map value, value_size=64 off=268435452 size=4
 * hint: compare the index with the length of the array first: if \(i >=
 * note: r\d was a pointer into a value of map 'SIZES' \(64 bytes\) at a variable offset \(up to 268435452\); the code reads 4 bytes at offset 0
 */

struct histogram { u32 buckets[16]; };
BPF_ARRAY(SIZES, struct histogram, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int zero = 0;
	struct histogram *sizes = SIZES.lookup(&zero);

	if (sizes)
		sizes->buckets[md->packet_len / 64]++;
	return RX_OK;
}
