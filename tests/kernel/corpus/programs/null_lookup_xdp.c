/*
 * stage: verify
 * line: 18
 * says: size may be NULL: the result of looking up map 'SIZES' in line \d+ is used without a comparison.*R\d invalid mem access 'map_value_or_null'
 * hint: write if \(!size\) return RX_OK; \(in libbpf C the verdict that lets
 * note: r\d was the result of looking up map 'SIZES', not yet compared with NULL; the code reads 8 bytes at offset 0
 * hook: XDP_SKB
 */

BPF_PERCPU_ARRAY(SIZES, u64, 8);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int bucket = 3;
	u64 *size = SIZES.lookup(&bucket);

	if (md->packet_len > 100)
		*size += md->packet_len;
	return RX_OK;
}
