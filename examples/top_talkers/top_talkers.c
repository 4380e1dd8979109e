/* Who sends the most? The table keeps the sources that were seen last and forgets the quiet ones. */

#include <dynmon/packet.h>

#define MAX_SOURCES 16384

struct ipv6_source {
	u8 address[16];
};

struct traffic {
	u64 packets;
	u64 bytes;
};

BPF_TABLE("lru_hash", __be32, struct traffic, IPV4_TALKERS, MAX_SOURCES);
BPF_TABLE("lru_hash", struct ipv6_source, struct traffic, IPV6_TALKERS, MAX_SOURCES);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct packet packet = parse_packet(ctx);
	struct traffic nothing = {}, *traffic = NULL;

	if (packet.ipv4) {
		__be32 source = packet.ipv4->saddr;

		traffic = IPV4_TALKERS.lookup_or_try_init(&source, &nothing);
	} else if (packet.ipv6) {
		struct ipv6_source source;

		memcpy(source.address, &packet.ipv6->saddr, sizeof(source.address));
		traffic = IPV6_TALKERS.lookup_or_try_init(&source, &nothing);
	}
	if (traffic) {
		__sync_fetch_and_add(&traffic->packets, 1);
		__sync_fetch_and_add(&traffic->bytes, md->packet_len);
	}
	return RX_OK;
}
