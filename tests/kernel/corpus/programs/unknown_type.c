/*
 * stage: compile
 * line: 10
 * says: use of undeclared identifier 'counter_t'
 * hint: ^$
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	counter_t length = md->packet_len;

	return length ? RX_DROP : RX_OK;
}
