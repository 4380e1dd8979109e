/* What are DNS clients asking for? Counts queries over UDP, by the type of the record asked for. */

#include <uapi/linux/if_ether.h>
#include <uapi/linux/in.h>
#include <uapi/linux/ip.h>
#include <uapi/linux/ipv6.h>
#include <uapi/linux/udp.h>

#define MAX_VLAN_TAGS 2
#define MAX_IPV6_EXTENSIONS 4
#define FRAGMENT_OFFSET 0x1fff

#define DNS_PORT 53
#define DNS_RESPONSE_OR_OPCODE 0xf8
#define DNS_MAX_LABELS 64
#define DNS_MAX_LABEL_BYTES 63

enum dns_type {
	DNS_A = 1,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_HTTPS = 65,
	DNS_ANY = 255,
};

/* Every type that was seen; the counters below are the ones worth a name. */
BPF_HASH(DNS_QUERIES, u16, u64, 1024);

BPF_ARRAY(DNS_A_QUERIES, u64, 1);
BPF_ARRAY(DNS_AAAA_QUERIES, u64, 1);
BPF_ARRAY(DNS_PTR_QUERIES, u64, 1);
BPF_ARRAY(DNS_MX_QUERIES, u64, 1);
BPF_ARRAY(DNS_TXT_QUERIES, u64, 1);
BPF_ARRAY(DNS_SRV_QUERIES, u64, 1);
BPF_ARRAY(DNS_HTTPS_QUERIES, u64, 1);
BPF_ARRAY(DNS_ANY_QUERIES, u64, 1);
BPF_ARRAY(DNS_OTHER_QUERIES, u64, 1);
BPF_ARRAY(DNS_MALFORMED_QUERIES, u64, 1);

struct dns_header {
	__be16 identification;
	u8 flags;
	u8 more_flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

struct vlan_tag {
	__be16 control;
	__be16 protocol;
};

struct ipv6_fragment {
	u8 next;
	u8 reserved;
	__be16 offset;
	__be32 identification;
};

static __always_inline void add(u64 *total, u64 amount)
{
	if (total)
		__sync_fetch_and_add(total, amount);
}

/* The header after Ethernet and VLAN tags; NULL when the packet ends before. */
static __always_inline void *network_header(void *data, void *data_end, __be16 *protocol)
{
	struct ethhdr *ethernet = data;
	struct vlan_tag *tag = (void *)(ethernet + 1);
	int i;

	if ((void *)(ethernet + 1) > data_end)
		return NULL;
	*protocol = ethernet->h_proto;

	for (i = 0; i < MAX_VLAN_TAGS; i++, tag++) {
		if (*protocol != bpf_htons(ETH_P_8021Q) && *protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > data_end)
			return NULL;
		*protocol = tag->protocol;
	}
	return tag;
}

/* The header after IPv4 and its options; NULL in every fragment but the first, which alone has it. */
static __always_inline void *ipv4_payload(struct iphdr *ip, void *data_end, u8 *protocol)
{
	if ((void *)(ip + 1) > data_end || ip->ihl < 5)
		return NULL;
	if (ip->frag_off & bpf_htons(FRAGMENT_OFFSET))
		return NULL;
	*protocol = ip->protocol;
	return (void *)ip + ip->ihl * 4;
}

/* The header after IPv6 and its extensions; NULL in every fragment but the first, which alone has it. */
static __always_inline void *ipv6_payload(struct ipv6hdr *ip, void *data_end, u8 *protocol)
{
	void *cursor = ip + 1;
	int i;

	if (cursor > data_end)
		return NULL;
	*protocol = ip->nexthdr;

	for (i = 0; i < MAX_IPV6_EXTENSIONS; i++) {
		struct ipv6_opt_hdr *extension = cursor;
		struct ipv6_fragment *fragment = cursor;

		switch (*protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if ((void *)(extension + 1) > data_end)
				return NULL;
			*protocol = extension->nexthdr;
			cursor += (extension->hdrlen + 1) * 8;
			break;
		case IPPROTO_FRAGMENT:
			if ((void *)(fragment + 1) > data_end || fragment->offset & bpf_htons(0xfff8))
				return NULL;
			*protocol = fragment->next;
			cursor += sizeof(*fragment);
			break;
		default:
			return cursor;
		}
	}
	return NULL;
}

/* The transport header and its protocol; NULL when the packet has none. */
static __always_inline void *transport_header(void *data, void *data_end, u8 *protocol)
{
	__be16 ethertype;
	void *header = network_header(data, data_end, &ethertype);

	if (!header)
		return NULL;
	if (ethertype == bpf_htons(ETH_P_IP))
		return ipv4_payload(header, data_end, protocol);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return ipv6_payload(header, data_end, protocol);
	return NULL;
}

/* The type asked for by the first question, -1 when there is no well-formed one. */
static __always_inline int question_type(struct dns_header *dns, void *data_end)
{
	u8 *label = (void *)(dns + 1);
	__be16 *type;
	int i;

	if (!dns->questions)
		return -1;

	/* A name is labels, each behind its length; the empty one ends it. A pointer has nothing to point back to. */
	for (i = 0; i < DNS_MAX_LABELS; i++) {
		if ((void *)(label + 1) > data_end || *label > DNS_MAX_LABEL_BYTES)
			return -1;
		if (*label == 0)
			break;
		label += 1 + *label;
	}
	type = (void *)(label + 1);
	if (i == DNS_MAX_LABELS || (void *)(type + 1) > data_end)
		return -1;
	return bpf_ntohs(*type);
}

static __always_inline void count_by_type(u16 type)
{
	u64 zero = 0;
	unsigned int key = 0;

	add(DNS_QUERIES.lookup_or_try_init(&type, &zero), 1);

	switch (type) {
	case DNS_A:
		return add(DNS_A_QUERIES.lookup(&key), 1);
	case DNS_AAAA:
		return add(DNS_AAAA_QUERIES.lookup(&key), 1);
	case DNS_PTR:
		return add(DNS_PTR_QUERIES.lookup(&key), 1);
	case DNS_MX:
		return add(DNS_MX_QUERIES.lookup(&key), 1);
	case DNS_TXT:
		return add(DNS_TXT_QUERIES.lookup(&key), 1);
	case DNS_SRV:
		return add(DNS_SRV_QUERIES.lookup(&key), 1);
	case DNS_HTTPS:
		return add(DNS_HTTPS_QUERIES.lookup(&key), 1);
	case DNS_ANY:
		return add(DNS_ANY_QUERIES.lookup(&key), 1);
	default:
		return add(DNS_OTHER_QUERIES.lookup(&key), 1);
	}
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	u8 protocol;
	struct udphdr *udp = transport_header(data, data_end, &protocol);
	struct dns_header *dns = (void *)(udp + 1);
	unsigned int key = 0;
	int type;

	if (!udp || protocol != IPPROTO_UDP || (void *)(dns + 1) > data_end)
		return RX_OK;
	if (udp->dest != bpf_htons(DNS_PORT) || dns->flags & DNS_RESPONSE_OR_OPCODE)
		return RX_OK;

	type = question_type(dns, data_end);
	if (type < 0)
		add(DNS_MALFORMED_QUERIES.lookup(&key), 1);
	else
		count_by_type(type);
	return RX_OK;
}
