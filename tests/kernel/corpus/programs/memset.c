/*
 * stage: compile
 * line: 17
 * says: A call to built-in function 'memset' is not supported\.
 * hint: clang writes it out in place up to 1024 bytes of constant size: copy
 */

struct record { char bytes[2000]; };
BPF_PERCPU_ARRAY(SCRATCH, struct record, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int zero = 0;
	struct record *record = SCRATCH.lookup(&zero);

	if (record)
		__builtin_memset(record->bytes, 0, sizeof(record->bytes));
	return RX_OK;
}
