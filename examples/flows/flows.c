/* Which conversations are there, and how much does each carry?
 *
 * A flow is a source, a destination, their ports and the protocol. Where there are no ports (ICMP, fragments after the
 * first, cut packets) both are zero. When a table is full, packets of new flows are counted in UNTRACKED_PACKETS.
 */

#include <uapi/linux/if_ether.h>
#include <uapi/linux/in.h>
#include <uapi/linux/ip.h>
#include <uapi/linux/ipv6.h>

#define MAX_VLAN_TAGS 2
#define MAX_IPV6_EXTENSIONS 4
#define FRAGMENT_OFFSET 0x1fff
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

struct ports {
	__be16 source;
	__be16 destination;
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

static __always_inline void count(struct traffic *traffic, u32 bytes)
{
	unsigned int key = 0;
	u64 *untracked;

	if (traffic) {
		__sync_fetch_and_add(&traffic->packets, 1);
		__sync_fetch_and_add(&traffic->bytes, bytes);
		return;
	}
	untracked = UNTRACKED_PACKETS.lookup(&key);
	if (untracked)
		__sync_fetch_and_add(untracked, 1);
}

static __always_inline bool has_ports(u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static __always_inline void count_ipv4(struct iphdr *ip, void *data_end, u32 bytes)
{
	struct traffic nothing = {};
	struct ipv4_flow flow = {};
	struct ports *ports;

	if ((void *)(ip + 1) > data_end)
		return;
	flow.source = ip->saddr;
	flow.destination = ip->daddr;
	flow.protocol = ip->protocol;

	ports = (void *)ip + ip->ihl * 4;
	if (has_ports(flow.protocol) && !(ip->frag_off & bpf_htons(FRAGMENT_OFFSET)) &&
	    (void *)(ports + 1) <= data_end) {
		flow.source_port = bpf_ntohs(ports->source);
		flow.destination_port = bpf_ntohs(ports->destination);
	}
	count(IPV4_FLOWS.lookup_or_try_init(&flow, &nothing), bytes);
}

/* Go on to the header after the extensions; false in every fragment but the first, which alone has it. */
static __always_inline bool skip_extensions(void **cursor, void *data_end, u32 *protocol)
{
	int i;

	for (i = 0; i < MAX_IPV6_EXTENSIONS; i++) {
		struct ipv6_opt_hdr *extension = *cursor;
		struct ipv6_fragment *fragment = *cursor;

		switch (*protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if ((void *)(extension + 1) > data_end)
				return false;
			*protocol = extension->nexthdr;
			*cursor += (extension->hdrlen + 1) * 8;
			break;
		case IPPROTO_FRAGMENT:
			if ((void *)(fragment + 1) > data_end)
				return false;
			*protocol = fragment->next;
			*cursor += sizeof(*fragment);
			if (fragment->offset & bpf_htons(0xfff8))
				return false;
			break;
		default:
			return true;
		}
	}
	return false;
}

static __always_inline void count_ipv6(struct ipv6hdr *ip, void *data_end, u32 bytes)
{
	struct traffic nothing = {};
	struct ipv6_flow flow = {};
	void *cursor = ip + 1;
	struct ports *ports;

	if (cursor > data_end)
		return;
	__builtin_memcpy(flow.source, &ip->saddr, sizeof(flow.source));
	__builtin_memcpy(flow.destination, &ip->daddr, sizeof(flow.destination));
	flow.protocol = ip->nexthdr;

	if (skip_extensions(&cursor, data_end, &flow.protocol) && has_ports(flow.protocol)) {
		ports = cursor;
		if ((void *)(ports + 1) <= data_end) {
			flow.source_port = bpf_ntohs(ports->source);
			flow.destination_port = bpf_ntohs(ports->destination);
		}
	}
	count(IPV6_FLOWS.lookup_or_try_init(&flow, &nothing), bytes);
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	__be16 ethertype;
	void *header = network_header(data, data_end, &ethertype);

	if (!header)
		return RX_OK;
	if (ethertype == bpf_htons(ETH_P_IP))
		count_ipv4(header, data_end, md->packet_len);
	else if (ethertype == bpf_htons(ETH_P_IPV6))
		count_ipv6(header, data_end, md->packet_len);
	return RX_OK;
}
