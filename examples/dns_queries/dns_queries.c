/* What are DNS clients asking for? Counts queries over UDP, by the type of the record asked for. */

#include <dynmon/packet.h>

#define DNS_PORT 53
#define DNS_RESPONSE_OR_OPCODE 0xf8
#define DNS_MAX_LABELS 64
#define DNS_MAX_LABEL_BYTES 63

/* The types that are worth a counter of their own: DNS_A_QUERIES, DNS_PTR_QUERIES and so on. */
#define TYPES(DO) DO(A, 1) DO(PTR, 12) DO(MX, 15) DO(TXT, 16) DO(AAAA, 28) DO(SRV, 33) DO(HTTPS, 65) DO(ANY, 255)
#define DECLARE(NAME, TYPE) BPF_ARRAY(DNS_##NAME##_QUERIES, u64, 1);
#define COUNT(NAME, TYPE)                                                                                      \
	case TYPE:                                                                                             \
		DNS_##NAME##_QUERIES.atomic_increment(0);                                                      \
		break;

TYPES(DECLARE)
BPF_ARRAY(DNS_OTHER_QUERIES, u64, 1);
BPF_ARRAY(DNS_MALFORMED_QUERIES, u64, 1);
BPF_HASH(DNS_QUERIES, u16, u64, 1024); /* every type that was seen */

struct dns_header {
	__be16 identification;
	u8 flags;
	u8 more_flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

/* The type asked for by the first question, -1 when there is no well-formed one. */
static __always_inline int question_type(struct packet *packet, struct dns_header *dns)
{
	u8 *label = (void *)(dns + 1);
	__be16 *type;
	int i;

	/* A name is labels, each behind its length; the empty one ends it. A pointer has nothing to point back to. */
	for (i = 0; i < DNS_MAX_LABELS; i++) {
		if (!packet_bytes(packet, label, 1) || *label > DNS_MAX_LABEL_BYTES)
			return -1;
		if (*label == 0)
			break;
		label += 1 + *label;
	}
	type = packet_bytes(packet, label + 1, sizeof(*type));
	return i < DNS_MAX_LABELS && type && dns->questions ? bpf_ntohs(*type) : -1;
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct packet packet = parse_packet(ctx);
	struct udphdr *udp = packet.udp;
	struct dns_header *dns = udp ? packet_bytes(&packet, udp + 1, sizeof(*dns)) : NULL;
	int type;

	if (!dns || udp->dest != bpf_htons(DNS_PORT) || dns->flags & DNS_RESPONSE_OR_OPCODE)
		return RX_OK;

	type = question_type(&packet, dns);
	if (type < 0) {
		DNS_MALFORMED_QUERIES.atomic_increment(0);
		return RX_OK;
	}
	DNS_QUERIES.atomic_increment(type);
	switch (type) {
		TYPES(COUNT)
	default:
		DNS_OTHER_QUERIES.atomic_increment(0);
	}
	return RX_OK;
}
