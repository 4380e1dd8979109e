/* How long are the UDP packets? A counter for lengths up to 64, 128, 256 ... bytes, and on each CPU its own. */

#include <dynmon/packet.h>

#define SMALLEST 64
#define BUCKETS 11

BPF_TABLE("percpu_array", u32, u64, SIZES, BUCKETS);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct packet packet = parse_packet(ctx);
	u32 bucket;
	u64 *packets;

	if (!packet.ipv4 || packet.protocol != IPPROTO_UDP)
		return RX_OK;
	for (bucket = 0; bucket < BUCKETS; bucket++)
		if (md->packet_len <= SMALLEST << bucket)
			break;
	packets = SIZES.lookup(&bucket);
	if (packets)
		*packets += 1;
	return RX_OK;
}
