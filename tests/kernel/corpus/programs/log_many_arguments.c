/*
 * stage: compile
 * line: 12
 * says: pcn_log takes at most four arguments
 * hint: say it in two lines, or leave some out
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 n = md->packet_len;

	pcn_log(ctx, LOG_INFO, "many: %d", n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n);
	return RX_OK;
}
