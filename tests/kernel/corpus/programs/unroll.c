/*
 * stage: verify
 * line: 14
 * says: the verifier gave up: it followed a million instructions, or 8192 branches not yet decided.*The sequence of 8193 jumps is too complex\.
 * hint: do less in loops: a smaller bound, fewer if inside, or bpf_loop\(\),
 * note: r\d was the number 8191
 */

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 sum = 0;

#pragma unroll
	for (u32 i = 0; i < md->packet_len; i++) {
		if (bpf_get_prandom_u32() == i)
			break;
		sum += bpf_get_prandom_u32();
	}
	return sum ? RX_DROP : RX_OK;
}
