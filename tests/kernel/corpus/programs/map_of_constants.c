/*
 * stage: verify
 * line: 17
 * says: it cannot be written: constants and read-only maps do not change while code runs.*write into map forbidden, value_size=8 off=0 size=8
 * hint: leave out const for a variable that changes; give a const volatile
 * note: r\d was a pointer into a value of map 'LIMITS' \(8 bytes\); the code writes 8 bytes at offset 0
 */

BPF_F_TABLE("array", int, u64, LIMITS, 4, BPF_F_RDONLY_PROG);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int zero = 0;
	u64 *limit = LIMITS.lookup(&zero);

	if (limit)
		*limit = 1;
	return RX_OK;
}
