/*
 * stage: verify
 * line: 16
 * says: count may be NULL: the result of looking up map 'FLOWS' in line \d+ is used without a comparison.*R\d invalid mem access 'map_value_or_null'
 * hint: write if \(!count\) return RX_OK; \(in libbpf C the verdict that lets
 * note: r\d was the result of looking up map 'FLOWS', not yet compared with NULL; the code reads 8 bytes at offset 0
 */

BPF_HASH(FLOWS, u32, u64, 64);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = md->packet_len;
	u64 *count = FLOWS.lookup(&key);

	*count += 1;
	return RX_OK;
}
