/* Which protocols make up the traffic, in packets and in bytes? Every packet is counted exactly once. */

#include <dynmon/packet.h>

BPF_ARRAY(TCP_PACKETS, u64, 1);
BPF_ARRAY(TCP_BYTES, u64, 1);
BPF_ARRAY(UDP_PACKETS, u64, 1);
BPF_ARRAY(UDP_BYTES, u64, 1);
BPF_ARRAY(ICMP_PACKETS, u64, 1);
BPF_ARRAY(ICMP_BYTES, u64, 1);
BPF_ARRAY(OTHER_IP_PACKETS, u64, 1);
BPF_ARRAY(OTHER_IP_BYTES, u64, 1);
BPF_ARRAY(NON_IP_PACKETS, u64, 1);
BPF_ARRAY(NON_IP_BYTES, u64, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	switch (parse_packet(ctx).protocol) {
	case IPPROTO_TCP:
		TCP_PACKETS.atomic_increment(0);
		TCP_BYTES.atomic_increment(0, md->packet_len);
		break;
	case IPPROTO_UDP:
		UDP_PACKETS.atomic_increment(0);
		UDP_BYTES.atomic_increment(0, md->packet_len);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		ICMP_PACKETS.atomic_increment(0);
		ICMP_BYTES.atomic_increment(0, md->packet_len);
		break;
	case -1: /* no IP */
		NON_IP_PACKETS.atomic_increment(0);
		NON_IP_BYTES.atomic_increment(0, md->packet_len);
		break;
	default:
		OTHER_IP_PACKETS.atomic_increment(0);
		OTHER_IP_BYTES.atomic_increment(0, md->packet_len);
	}
	return RX_OK;
}
