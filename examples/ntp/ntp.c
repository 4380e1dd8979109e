/* Who asks for the time, and is somebody using this server to amplify an attack?
 *
 * Mode 7 ("private") is the old management protocol of ntpd: its monlist request makes a server answer with up to a
 * hundred packets to whoever the request claims to come from.
 */

#include <dynmon/packet.h>

#define NTP_PORT 123
#define NTP_RESPONSE 0x80
#define NTP_MODE 0x07
#define NTP_MODE_CLIENT 3
#define NTP_MODE_PRIVATE 7

BPF_ARRAY(NTP_PACKETS, u64, 1);
BPF_ARRAY(NTP_REQUESTS, u64, 1);
BPF_ARRAY(NTP_PRIVATE_REQUESTS, u64, 1);
BPF_ARRAY(NTP_PRIVATE_RESPONSES, u64, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct packet packet = parse_packet(ctx);
	struct udphdr *udp = packet.udp;
	u8 *ntp = udp ? packet_bytes(&packet, udp + 1, 1) : NULL;
	bool to_server;
	u8 mode;

	if (!ntp)
		return RX_OK;
	to_server = udp->dest == bpf_htons(NTP_PORT);
	if (!to_server && udp->source != bpf_htons(NTP_PORT))
		return RX_OK;
	NTP_PACKETS.atomic_increment(0);

	/* The first byte: response bit (mode 7 only), two bits more, version, mode. */
	mode = *ntp & NTP_MODE;
	if (mode == NTP_MODE_CLIENT && to_server)
		NTP_REQUESTS.atomic_increment(0);
	else if (mode == NTP_MODE_PRIVATE && *ntp & NTP_RESPONSE)
		NTP_PRIVATE_RESPONSES.atomic_increment(0);
	else if (mode == NTP_MODE_PRIVATE)
		NTP_PRIVATE_REQUESTS.atomic_increment(0);
	return RX_OK;
}
