/*
 * stage: verify
 * says: more than 512 bytes of stack are used, by the program and what it calls together.*combined stack size of 2 calls is 608\. Too large
 * hint: move large variables into an array map with one entry,
 */

static __noinline int inner(u32 seed)
{
	volatile char room[300];

	room[seed & 255] = 1;
	return room[0];
}

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	volatile char room[300];

	room[md->packet_len & 255] = 1;
	return inner(md->packet_len) + room[0];
}
