/*
 * stage: load
 * says: the kernel's function 'tcp_slow_start' is declared otherwise in the code
 * hint: take its declaration from vmlinux\.h
 */

extern u32 tcp_slow_start(void *sock, u32 acked) __ksym;

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	tcp_slow_start(ctx, 1);
	return RX_OK;
}
