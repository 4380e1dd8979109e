/*
 * stage: verify
 * line: 21
 * says: the compiler merged accesses through two kinds of pointers into one instruction.*same insn cannot be used with different pointers
 * hint: keep them apart: put barrier_var\(p\) or asm volatile\("" :::
 * note: r\d was a pointer into a value of (map 'TOTALS'|a map) \(4 bytes\); the code reads 4 bytes at offset 0
 */

BPF_ARRAY(TOTALS, u32, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int zero = 0;
	void *at = TOTALS.lookup(&zero);

	if (!at)
		return RX_OK;
	if (bpf_get_prandom_u32() & 1)
		at = ctx;
	asm volatile("" : "+r"(at));
	return *(u32 *)at ? RX_DROP : RX_OK;
}
