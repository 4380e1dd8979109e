/*
 * stage: verify
 * line: 18
 * says: a value of map 'FLOWS' has 8 bytes, and 4 are accessed at offset 8.*invalid access to map value, value_size=8 off=8 size=4
 * hint: compare the index with the length of the array first: if \(i >=
 * note: r\d was a pointer into a value of map 'FLOWS' \(8 bytes\); the code writes 4 bytes at offset 8
 */

struct flow { u32 packets; u32 bytes; };
BPF_HASH(FLOWS, u32, struct flow, 64);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = md->packet_len;
	struct flow *flow = FLOWS.lookup(&key);

	if (flow)
		flow[1].packets = 1;
	return RX_OK;
}
