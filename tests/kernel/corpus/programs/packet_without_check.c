/*
 * stage: verify
 * line: 16
 * says: the packet may end before the bytes that are accessed here.*invalid access to packet, off=12 size=1, R\d\(id=0,off=12,r=0\)
 * hint: compare the end of what is accessed with data_end first: if \(data \+
 * note: r\d was a pointer into the packet of which 0 bytes are known to be there; the code reads 1 byte at offset 12
 */

#include <linux/ip.h>

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;

	if (ethernet->h_proto == bpf_htons(ETH_P_IP))
		return RX_DROP;
	return RX_OK;
}
