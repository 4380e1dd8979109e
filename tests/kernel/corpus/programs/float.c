/*
 * stage: compile
 * line: 10
 * says: A call to built-in function '__floatunsidf' is not supported\.
 * hint: there are no floating-point numbers in the kernel: count in
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	double share = md->packet_len * 0.75;

	return share > 100.0 ? RX_DROP : RX_OK;
}
