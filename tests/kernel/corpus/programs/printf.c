/*
 * stage: compile
 * line: 10
 * says: function 'printf' is not declared
 * hint: say it with pcn_log\(ctx, LOG_INFO, "%d", n\) in the dialect, with
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	printf("%d bytes\n", md->packet_len);
	return RX_OK;
}
