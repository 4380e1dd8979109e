/* Who sends UDP to which port of ours, and how much? */

#include <dynmon/packet.h>

struct sender {
	__be32 address;
	u16 port;
	u16 unused;
};

struct traffic {
	u64 packets;
	u64 bytes;
};

BPF_HASH(SENDERS, struct sender, struct traffic, 4096);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct packet packet = parse_packet(ctx);
	struct sender sender = {};
	struct traffic nothing = {}, *traffic;

	if (!packet.ipv4 || !packet.ports || packet.protocol != IPPROTO_UDP)
		return RX_OK;
	sender.address = packet.ipv4->saddr;
	sender.port = bpf_ntohs(packet.ports->dest);
	traffic = SENDERS.lookup_or_try_init(&sender, &nothing);
	if (traffic) {
		__sync_fetch_and_add(&traffic->packets, 1);
		__sync_fetch_and_add(&traffic->bytes, md->packet_len);
	}
	return RX_OK;
}
