/*
 * stage: compile
 * line: 10
 * says: use of undeclared identifier 'ETH_P_NONE'
 * hint: names like this come from #include <linux/if_ether\.h>
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return md->packet_len > ETH_P_NONE ? RX_DROP : RX_OK;
}
