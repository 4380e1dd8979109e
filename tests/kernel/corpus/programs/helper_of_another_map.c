/*
 * stage: verify
 * line: 13
 * says: bpf_map_lookup_elem does not work on a map of this type.*cannot pass map_type 4 into func bpf_map_lookup_elem#1
 * hint: queues and stacks have push, pop and peek; arrays and hashes lookup
 */

BPF_PERF_OUTPUT(EVENTS);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 key = 0;
	u64 *value = bpf_map_lookup_elem(&dynmon_map_EVENTS, &key);

	return value ? RX_DROP : RX_OK;
}
