/* Which conversations are there, and how much does each carry?
 *
 * A flow is a source, a destination, their ports and the protocol. Where there are no ports (ICMP, fragments after the
 * first, cut packets) both are zero. When a table is full, packets of new flows are counted in UNTRACKED_PACKETS.
 */

#include <dynmon/packet.h>

#define MAX_FLOWS 65536

/* Addresses as on the wire, ports as people write them. */
struct ipv4_flow {
	__be32 source;
	__be32 destination;
	u16 source_port;
	u16 destination_port;
	u32 protocol;
};

struct ipv6_flow {
	u8 source[16];
	u8 destination[16];
	u16 source_port;
	u16 destination_port;
	u32 protocol;
};

struct traffic {
	u64 packets;
	u64 bytes;
};

BPF_HASH(IPV4_FLOWS, struct ipv4_flow, struct traffic, MAX_FLOWS);
BPF_HASH(IPV6_FLOWS, struct ipv6_flow, struct traffic, MAX_FLOWS);
BPF_ARRAY(UNTRACKED_PACKETS, u64, 1);

static __always_inline void count(struct traffic *traffic, u32 bytes)
{
	if (traffic) {
		__sync_fetch_and_add(&traffic->packets, 1);
		__sync_fetch_and_add(&traffic->bytes, bytes);
	} else {
		UNTRACKED_PACKETS.atomic_increment(0);
	}
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct packet packet = parse_packet(ctx);
	u16 source_port = packet.ports ? bpf_ntohs(packet.ports->source) : 0;
	u16 destination_port = packet.ports ? bpf_ntohs(packet.ports->dest) : 0;
	struct traffic nothing = {};

	if (packet.ipv4) {
		struct ipv4_flow flow = {
			.source = packet.ipv4->saddr,
			.destination = packet.ipv4->daddr,
			.source_port = source_port,
			.destination_port = destination_port,
			.protocol = packet.protocol,
		};

		count(IPV4_FLOWS.lookup_or_try_init(&flow, &nothing), md->packet_len);
	} else if (packet.ipv6) {
		struct ipv6_flow flow = {
			.source_port = source_port,
			.destination_port = destination_port,
			.protocol = packet.protocol,
		};

		memcpy(flow.source, &packet.ipv6->saddr, sizeof(flow.source));
		memcpy(flow.destination, &packet.ipv6->daddr, sizeof(flow.destination));
		count(IPV6_FLOWS.lookup_or_try_init(&flow, &nothing), md->packet_len);
	}
	return RX_OK;
}
