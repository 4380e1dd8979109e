/*
 * stage: verify
 * line: 21
 * says: the packet may end before the bytes that are accessed here.*invalid access to packet, off=22 size=1, R\d\(id=0,off=22,r=14\)
 * hint: compare the end of what is accessed with data_end first: if \(data \+
 * note: r\d was a pointer into the packet of which 14 bytes are known to be there; the code reads 1 byte at offset 22
 */

#include <linux/ip.h>

BPF_ARRAY(TTLS, u64, 256);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);

	if (data + sizeof(struct ethhdr) > data_end)
		return RX_OK;

	int ttl = ip->ttl;

	TTLS.increment(ttl);
	return RX_OK;
}
