/*
 * stage: verify
 * line: 23
 * says: the packet may end before the bytes that are accessed here.*invalid access to packet, off=16 size=2, R\d\(id=1,off=16,r=0\)
 * hint: compare the end of what is accessed with data_end first: if \(data \+
 * note: r\d was a pointer into the packet at a variable distance from its start \(0 to 60\), from where 0 bytes are known to be there; the code reads 2 bytes at offset 16
 * hook: XDP_SKB
 */

#include <linux/ip.h>
#include <linux/udp.h>

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > data_end)
		return RX_OK;

	struct udphdr *udp = (void *)ip + ip->ihl * 4;

	return udp->dest == bpf_htons(53) ? RX_DROP : RX_OK;
}
