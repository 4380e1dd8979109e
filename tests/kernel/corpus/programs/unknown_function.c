/*
 * stage: compile
 * line: 10
 * says: function 'count_packet' is not declared
 * hint: ^$
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	count_packet(md->packet_len);
	return RX_OK;
}
