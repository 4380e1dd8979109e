/* Who sends the most? The table keeps the sources that were seen last and forgets the quiet ones. */

#include <uapi/linux/if_ether.h>
#include <uapi/linux/ip.h>
#include <uapi/linux/ipv6.h>

#define MAX_VLAN_TAGS 2
#define MAX_SOURCES 16384

struct ipv6_source {
	u8 address[16];
};

struct traffic {
	u64 packets;
	u64 bytes;
};

BPF_TABLE("lru_hash", __be32, struct traffic, IPV4_TALKERS, MAX_SOURCES);
BPF_TABLE("lru_hash", struct ipv6_source, struct traffic, IPV6_TALKERS, MAX_SOURCES);

struct vlan_tag {
	__be16 control;
	__be16 protocol;
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
	if (!traffic)
		return;
	__sync_fetch_and_add(&traffic->packets, 1);
	__sync_fetch_and_add(&traffic->bytes, bytes);
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	__be16 ethertype;
	void *header = network_header(data, data_end, &ethertype);
	struct iphdr *ipv4 = header;
	struct ipv6hdr *ipv6 = header;
	struct traffic nothing = {};

	if (!header)
		return RX_OK;

	if (ethertype == bpf_htons(ETH_P_IP) && (void *)(ipv4 + 1) <= data_end) {
		__be32 source = ipv4->saddr;

		count(IPV4_TALKERS.lookup_or_try_init(&source, &nothing), md->packet_len);
	} else if (ethertype == bpf_htons(ETH_P_IPV6) && (void *)(ipv6 + 1) <= data_end) {
		struct ipv6_source source;

		__builtin_memcpy(source.address, &ipv6->saddr, sizeof(source.address));
		count(IPV6_TALKERS.lookup_or_try_init(&source, &nothing), md->packet_len);
	}
	return RX_OK;
}
