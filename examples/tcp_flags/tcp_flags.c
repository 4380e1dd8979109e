/* How often are TCP connections asked for, accepted, closed and refused? */

#include <uapi/linux/if_ether.h>
#include <uapi/linux/in.h>
#include <uapi/linux/ip.h>
#include <uapi/linux/ipv6.h>
#include <uapi/linux/tcp.h>

#define MAX_VLAN_TAGS 2
#define MAX_IPV6_EXTENSIONS 4
#define FRAGMENT_OFFSET 0x1fff

BPF_ARRAY(TCP_SYN, u64, 1);
BPF_ARRAY(TCP_SYN_ACK, u64, 1);
BPF_ARRAY(TCP_FIN, u64, 1);
BPF_ARRAY(TCP_RST, u64, 1);

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

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	u8 protocol;
	struct tcphdr *tcp = transport_header(data, data_end, &protocol);
	unsigned int key = 0;

	if (!tcp || protocol != IPPROTO_TCP || (void *)(tcp + 1) > data_end)
		return RX_OK;

	if (tcp->syn && tcp->ack)
		add(TCP_SYN_ACK.lookup(&key), 1);
	else if (tcp->syn)
		add(TCP_SYN.lookup(&key), 1);
	if (tcp->fin)
		add(TCP_FIN.lookup(&key), 1);
	if (tcp->rst)
		add(TCP_RST.lookup(&key), 1);
	return RX_OK;
}
