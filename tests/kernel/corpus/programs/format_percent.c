/*
 * stage: verify
 * line: 14
 * says: the format is none that the kernel can print.*Invalid format string
 * hint: use %d %u %x %llu %p %s and %pI4 with an argument each, in a literal
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	char text[32];
	static const char format[] = "%d %";
	u64 arguments[1] = {md->packet_len};

	bpf_snprintf(text, sizeof(text), format, arguments, sizeof(arguments));
	return text[0] ? RX_DROP : RX_OK;
}
