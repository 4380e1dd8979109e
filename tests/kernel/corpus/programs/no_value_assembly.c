/*
 * stage: verify
 * line: 13
 * says: a value is used that was never set on this way through the program.*R\d !read_ok
 * hint: set the variable where it is declared, and give functions all the
 * note: r\d had no value: nothing was put into it on this way through the program
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u64 value;

	asm volatile("%0 = r9" : "=r"(value));
	return value ? RX_DROP : RX_OK;
}
