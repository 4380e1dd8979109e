/*
 * stage: compile
 * line: 10
 * says: use of undeclared identifier 'ICMPV6_ECHO_REQUEST'
 * hint: names like this come from #include <linux/icmpv6\.h>
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return md->packet_len == ICMPV6_ECHO_REQUEST ? RX_DROP : RX_OK;
}
