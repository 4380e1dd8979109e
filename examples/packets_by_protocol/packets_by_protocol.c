/* Which protocols make up the traffic, in packets and in bytes? Every packet is counted exactly once. */

#include <uapi/linux/if_ether.h>
#include <uapi/linux/in.h>
#include <uapi/linux/ip.h>
#include <uapi/linux/ipv6.h>

#define MAX_VLAN_TAGS 2
#define MAX_IPV6_EXTENSIONS 4

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

/* Protocol numbers are bytes; what is no IP packet gets a number of its own behind them. */
#define NON_IP 256

struct vlan_tag {
	__be16 control;
	__be16 protocol;
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

/* The protocol behind the extension headers; an extension that is cut off counts as itself. */
static __always_inline int ipv6_protocol(struct ipv6hdr *ip, void *data_end)
{
	void *cursor = ip + 1;
	int protocol = ip->nexthdr;
	int i;

	for (i = 0; i < MAX_IPV6_EXTENSIONS; i++) {
		struct ipv6_opt_hdr *extension = cursor;
		bool fragment = protocol == IPPROTO_FRAGMENT;

		if (!fragment && protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ROUTING &&
		    protocol != IPPROTO_DSTOPTS)
			break;
		if ((void *)(extension + 1) > data_end)
			break;
		protocol = extension->nexthdr;
		cursor += fragment ? 8 : (extension->hdrlen + 1) * 8;
	}
	return protocol;
}

static __always_inline int ip_protocol(void *data, void *data_end)
{
	__be16 ethertype;
	void *header = network_header(data, data_end, &ethertype);
	struct iphdr *ipv4 = header;
	struct ipv6hdr *ipv6 = header;

	if (!header)
		return NON_IP;
	if (ethertype == bpf_htons(ETH_P_IP) && (void *)(ipv4 + 1) <= data_end)
		return ipv4->protocol;
	if (ethertype == bpf_htons(ETH_P_IPV6) && (void *)(ipv6 + 1) <= data_end)
		return ipv6_protocol(ipv6, data_end);
	return NON_IP;
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	unsigned int key = 0;

	switch (ip_protocol(data, data_end)) {
	case IPPROTO_TCP:
		add(TCP_PACKETS.lookup(&key), 1);
		add(TCP_BYTES.lookup(&key), md->packet_len);
		break;
	case IPPROTO_UDP:
		add(UDP_PACKETS.lookup(&key), 1);
		add(UDP_BYTES.lookup(&key), md->packet_len);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		add(ICMP_PACKETS.lookup(&key), 1);
		add(ICMP_BYTES.lookup(&key), md->packet_len);
		break;
	case NON_IP:
		add(NON_IP_PACKETS.lookup(&key), 1);
		add(NON_IP_BYTES.lookup(&key), md->packet_len);
		break;
	default:
		add(OTHER_IP_PACKETS.lookup(&key), 1);
		add(OTHER_IP_BYTES.lookup(&key), md->packet_len);
	}
	return RX_OK;
}
