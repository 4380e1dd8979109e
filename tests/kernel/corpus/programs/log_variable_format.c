/*
 * stage: compile
 * line: 12
 * says: expected '\)'
 * hint: the format of pcn_log has to be a literal: pcn_log\(ctx, LOG_INFO,
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	const char *format = "%d";

	pcn_log(ctx, LOG_INFO, format, md->packet_len);
	return RX_OK;
}
