/*
 * stage: compile
 * line: 8
 * says: unsupported map type tree
 * hint: the types are "hash", "array", "percpu_hash", "lru_hash", "lpm_trie",
 */

BPF_TABLE("tree", u32, u64, FLOWS, 8);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_OK;
}
