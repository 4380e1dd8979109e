/*
 * stage: verify
 * line: 13
 * says: the verifier gave up: it followed a million instructions, or 8192 branches not yet decided.*BPF program is too large\. Processed 1000001 insn
 * hint: do less in loops: a smaller bound, fewer if inside, or bpf_loop\(\),
 * note: r\d was the number 2666667
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u64 sum = 0;

	for (u32 i = 0; i < 3000000; i++) {
		if (bpf_get_prandom_u32() & 1)
			sum += i * sum;
		asm volatile("");
	}
	return sum ? RX_DROP : RX_OK;
}
