/*
 * stage: load
 * says: the kernel's function 'bpf_sock_destroy' is declared otherwise in the code
 * hint: take its declaration from vmlinux\.h
 */

extern int bpf_sock_destroy(void *sock) __ksym;

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	bpf_sock_destroy(ctx);
	return RX_OK;
}
