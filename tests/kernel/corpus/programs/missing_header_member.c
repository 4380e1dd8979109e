/*
 * stage: compile
 * line: 15
 * says: incomplete definition of type 'struct ipv6hdr'
 * hint: names like this come from #include <linux/ipv6\.h>
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = data + 14;

	if (data + 54 > data_end)
		return RX_OK;
	return ip->hop_limit ? RX_OK : RX_DROP;
}
