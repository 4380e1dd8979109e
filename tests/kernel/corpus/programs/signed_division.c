/*
 * stage: compile
 * line: 10
 * says: signed division is not supported
 * hint: make both numbers unsigned before they are divided: \(u32\)a /
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int half = (int)md->packet_len / *(volatile int *)&md->packet_len;

	return half ? RX_DROP : RX_OK;
}
