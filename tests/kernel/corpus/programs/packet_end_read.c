/*
 * stage: verify
 * line: 13
 * says: data_end is no place to read from: it is one byte behind the packet.*R\d invalid mem access 'pkt_end'
 * hint: read through a pointer made from ctx->data, and use data_end in
 * note: r\d was data_end, the end of the packet; the code reads 1 byte at offset 0
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	char *end = (void *)(long)ctx->data_end;

	return *end ? RX_DROP : RX_OK;
}
