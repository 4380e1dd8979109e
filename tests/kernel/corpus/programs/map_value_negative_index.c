/*
 * stage: verify
 * line: 19
 * says: a number is used as an index, offset or length, and nothing says how large or small it can be.*math between map_value pointer and register with unbounded min value is not allowed
 * hint: make it unsigned and bound it right before: if \(i >= LENGTH\) return
 * note: r\d was a pointer into a value of map 'SIZES' \(64 bytes\)
 */

struct histogram { u32 buckets[16]; };
BPF_ARRAY(SIZES, struct histogram, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int zero = 0;
	struct histogram *sizes = SIZES.lookup(&zero);
	long bucket = *(volatile int *)&md->packet_len;

	if (sizes && bucket < 16)
		sizes->buckets[bucket]++;
	return RX_OK;
}
