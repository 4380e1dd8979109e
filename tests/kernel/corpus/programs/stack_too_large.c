/*
 * stage: compile
 * line: 16
 * says: more than 512 bytes of stack are used here
 * hint: there are 512 bytes of stack, in constant sizes: move what is large
 */

struct record { char bytes[700]; };
BPF_HASH(RECORDS, u32, struct record, 8);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = 0;
	struct record record;

	__builtin_memset(&record, md->packet_len, sizeof(record));
	RECORDS.update(&key, &record);
	return RX_OK;
}
