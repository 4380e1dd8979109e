/*
 * stage: load
 * says: its maps would take 40,005\.1 MiB of kernel memory, 1,024\.0 MiB are allowed; the largest is 'RECORDS' with 40,005\.1 MiB
 * hint: give it fewer entries, in the code or with "map-sizes": \{"RECORDS":
 */

struct record { char bytes[4096]; };
BPF_HASH(RECORDS, u32, struct record, 10000000);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = md->packet_len;
	struct record *record = RECORDS.lookup(&key);

	return record ? RX_DROP : RX_OK;
}
