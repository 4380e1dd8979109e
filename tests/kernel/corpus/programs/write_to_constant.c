/*
 * stage: verify
 * line: 13
 * says: it cannot be written: constants and read-only maps do not change while code runs.*write into map forbidden, value_size=4 off=0 size=4
 * hint: leave out const for a variable that changes; give a const volatile
 * note: r\d was a pointer into a value of the global variables \(\.rodata\) \(4 bytes\); the code writes 4 bytes at offset 0
 */

const volatile u32 limit = 5;

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	*(volatile u32 *)&limit = md->packet_len;
	return RX_OK;
}
