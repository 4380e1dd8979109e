/*
 * stage: compile
 * line: 13
 * says: arithmetic on a pointer to an incomplete type 'struct tcphdr'
 * hint: names like this come from #include <linux/tcp\.h>
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp = data + 34;

	if ((void *)(tcp + 1) > data_end)
		return RX_OK;
	return RX_OK;
}
