/*
 * stage: compile
 * line: 8
 * says: function 'parse' has internal linkage but is not defined
 * hint: write its body too, or take the declaration away; code is one text,
 */

static int parse(void *data);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return parse((void *)(long)ctx->data);
}
