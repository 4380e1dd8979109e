/*
 * Find the headers of a packet; read on request: #include <dynmon/packet.h>
 *
 *	struct packet packet = parse_packet(ctx);
 *
 *	if (packet.tcp && packet.tcp->syn)
 *		SYNS.atomic_increment(0);
 *
 * A header that is not NULL is there to its end (without options), so it may be read at once. What the code does not
 * look at is not looked for: clang drops it.
 *
 * The walk passes up to two VLAN tags, the options of IPv4 and up to four extension headers of IPv6. It ends where the
 * packet, or the part of it that the kernel has at hand, is cut short.
 */
#ifndef DYNMON_PACKET_H
#define DYNMON_PACKET_H

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#define DYNMON_MAX_VLAN_TAGS 2
#define DYNMON_MAX_IPV6_EXTENSIONS 4
#define DYNMON_IPV4_FRAGMENT_OFFSET 0x1fff
#define DYNMON_IPV6_FRAGMENT_OFFSET 0xfff8

/* How the headers of TCP, UDP and SCTP begin. */
struct packet_ports {
	__be16 source;
	__be16 dest;
};

struct packet {
	void *data, *data_end;

	struct ethhdr *ethernet;
	/* Behind the VLAN tags, in network byte order; 0 when the packet ends before. */
	__be16 ethertype;
	/* What ethertype announces; NULL when the packet ends before. Check with packet_bytes. */
	void *network;
	struct iphdr *ipv4;
	struct ipv6hdr *ipv6;

	/* What IP carries, behind extension headers; that of an extension where the walk ends there, -1 without IP. */
	int protocol;
	/* A fragment but not the first, which alone has the transport header. */
	bool is_later_fragment;
	/* What protocol announces; NULL when the walk did not get there. Check with packet_bytes. */
	void *transport;
	struct packet_ports *ports;
	struct tcphdr *tcp;
	struct udphdr *udp;
	struct icmphdr *icmp;
	struct icmp6hdr *icmpv6;
};

struct dynmon_ipv6_fragment {
	__u8 nexthdr;
	__u8 reserved;
	__be16 offset;
	__be32 identification;
};

/* `at` when the packet goes on for `size` bytes from there, else NULL; so for NULL. */
static __always_inline void *packet_bytes(const struct packet *packet, void *at, const __u64 size)
{
	return at && at + size <= packet->data_end ? at : NULL;
}

/* Ethernet and the tags behind it: each is 16 bits of its own and the ethertype of what follows. */
static __always_inline void dynmon_parse_link(struct packet *packet)
{
	/* The end of the header without the packed struct, for which clang puts fields together from single bytes. */
	__be16 *behind = packet->data + sizeof(struct ethhdr);
	__be16 ethertype;

	if ((void *)behind > packet->data_end)
		return;
	packet->ethernet = packet->data;
	ethertype = behind[-1];

	for (int i = 0; i < DYNMON_MAX_VLAN_TAGS; i++) {
		if (ethertype != bpf_htons(ETH_P_8021Q) && ethertype != bpf_htons(ETH_P_8021AD))
			break;
		behind += 2;
		if ((void *)behind > packet->data_end)
			return;
		ethertype = behind[-1];
	}
	packet->ethertype = ethertype;
	packet->network = behind;
}

static __always_inline void dynmon_parse_ipv4(struct packet *packet)
{
	struct iphdr *ip = packet->network;

	if ((void *)(ip + 1) > packet->data_end)
		return;
	packet->ipv4 = ip;
	packet->protocol = ip->protocol;
	packet->is_later_fragment = ip->frag_off & bpf_htons(DYNMON_IPV4_FRAGMENT_OFFSET);
	if (!packet->is_later_fragment && ip->ihl >= 5)
		packet->transport = (void *)ip + ip->ihl * 4;
}

/* Not a chain of ||: what clang 19 makes of one, it drops no more, nor the loop around it. */
static __always_inline bool dynmon_is_ipv6_extension(int protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_FRAGMENT:
		return true;
	default:
		return false;
	}
}

/* Where the extension header at the cursor ends; NULL when nothing can be behind it. */
static __always_inline void *dynmon_behind_ipv6_extension(struct packet *packet, void *cursor)
{
	struct dynmon_ipv6_fragment *fragment = cursor;
	struct ipv6_opt_hdr *extension = cursor;

	if (packet->protocol == IPPROTO_FRAGMENT) {
		if ((void *)(fragment + 1) > packet->data_end)
			return NULL;
		packet->protocol = fragment->nexthdr;
		packet->is_later_fragment = fragment->offset & bpf_htons(DYNMON_IPV6_FRAGMENT_OFFSET);
		return packet->is_later_fragment ? NULL : fragment + 1;
	}
	if ((void *)(extension + 1) > packet->data_end)
		return NULL;
	packet->protocol = extension->nexthdr;
	return cursor + (extension->hdrlen + 1) * 8;
}

static __always_inline void dynmon_parse_ipv6(struct packet *packet)
{
	struct ipv6hdr *ip = packet->network;
	void *cursor = ip + 1;

	if (cursor > packet->data_end)
		return;
	packet->ipv6 = ip;
	packet->protocol = ip->nexthdr;

	/*
	 * Unrolled, it would be four times as long. There is one way out of it, and the result is made behind: clang
	 * drops a loop like that where nobody needs the result, but not one that returns from its middle.
	 */
#pragma clang loop unroll(disable)
	for (int i = 0; i < DYNMON_MAX_IPV6_EXTENSIONS && dynmon_is_ipv6_extension(packet->protocol); i++) {
		cursor = dynmon_behind_ipv6_extension(packet, cursor);
		if (!cursor)
			break;
	}
	if (!dynmon_is_ipv6_extension(packet->protocol))
		packet->transport = cursor;
}

/* The transport header when it is of `protocol` and there to its end. */
static __always_inline void *dynmon_transport(const struct packet *packet, int protocol, const __u64 size)
{
	return packet->protocol == protocol ? packet_bytes(packet, packet->transport, size) : NULL;
}

/* The headers of the packet. */
static __always_inline struct packet parse_packet(struct CTXTYPE *ctx)
{
	struct packet packet = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.protocol = -1,
	};
	struct packet *p = &packet;

	dynmon_parse_link(p);
	if (p->ethertype == bpf_htons(ETH_P_IP))
		dynmon_parse_ipv4(p);
	else if (p->ethertype == bpf_htons(ETH_P_IPV6))
		dynmon_parse_ipv6(p);

	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP || p->protocol == IPPROTO_SCTP)
		p->ports = packet_bytes(p, p->transport, sizeof(*p->ports));
	p->tcp = dynmon_transport(p, IPPROTO_TCP, sizeof(*p->tcp));
	p->udp = dynmon_transport(p, IPPROTO_UDP, sizeof(*p->udp));
	p->icmp = dynmon_transport(p, IPPROTO_ICMP, sizeof(*p->icmp));
	p->icmpv6 = dynmon_transport(p, IPPROTO_ICMPV6, sizeof(*p->icmpv6));
	return packet;
}

#endif
