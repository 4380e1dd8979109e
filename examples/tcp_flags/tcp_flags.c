/* How often are TCP connections asked for, accepted, closed and refused? */

#include <dynmon/packet.h>

BPF_ARRAY(TCP_SYN, u64, 1);
BPF_ARRAY(TCP_SYN_ACK, u64, 1);
BPF_ARRAY(TCP_FIN, u64, 1);
BPF_ARRAY(TCP_RST, u64, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct packet packet = parse_packet(ctx);
	struct tcphdr *tcp = packet.tcp;

	if (!tcp)
		return RX_OK;

	if (tcp->syn && tcp->ack)
		TCP_SYN_ACK.atomic_increment(0);
	else if (tcp->syn)
		TCP_SYN.atomic_increment(0);
	if (tcp->fin)
		TCP_FIN.atomic_increment(0);
	if (tcp->rst)
		TCP_RST.atomic_increment(0);
	return RX_OK;
}
