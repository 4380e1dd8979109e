/*
 * stage: check
 * says: map 'FLOWS' of the ingress code cannot be read: type 'struct flow' cannot be decoded: the code has no such type; it has struct __sk_buff, dynmon_nothing; possible are u8 to u64, s8 to s64, be16 to be64, char, bool, int, long, float, double, arrays of these such as char\[16\]
 * hint: ^$
 * path: {"metric-configs": [{"name": "flows", "map-name": "FLOWS", "type": "struct flow"}]}
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
