/*
 * stage: verify
 * line: 13
 * says: a pointer that a function takes may be NULL: a function that is not static is checked for all arguments.*R\d invalid mem access 'mem_or_null'
 * hint: compare it with NULL in the function, or make that static
 * note: r\d was a pointer to (?:8 bytes of )?memory, not yet compared with NULL; the code reads 4 bytes at offset 4
 */

struct numbers { u32 a, b; };

__attribute__((noinline)) int larger(struct numbers *numbers)
{
	return numbers->a > numbers->b;
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct numbers numbers = {md->packet_len, 1000};

	return larger(&numbers) ? RX_DROP : RX_OK;
}
