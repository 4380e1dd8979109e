/*
 * stage: verify
 * line: 17
 * says: the verifier gave up: it followed a million instructions, or 8192 branches not yet decided.*The sequence of 8193 jumps is too complex\.
 * hint: do less in loops: a smaller bound, fewer if inside, or bpf_loop\(\),
 * note: r\d was a number between 0 and 1
 */

#define STEP(N) if (bpf_get_prandom_u32() & (1 << (N & 31))) sum = sum * 3 + N; else asm volatile("");
#define TEN(N) STEP(N) STEP(N + 1) STEP(N + 2) STEP(N + 3) STEP(N + 4) STEP(N + 5) STEP(N + 6) STEP(N + 7)

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u64 sum = 0;

	for (int i = 0; i < 4000; i++) {
		TEN(i)
	}
	return sum == 4711 ? RX_DROP : RX_OK;
}
