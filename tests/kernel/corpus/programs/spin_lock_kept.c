/*
 * stage: verify
 * line: 19
 * says: a spin lock is held too long, or used otherwise than the kernel wants.*BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region
 * hint: between bpf_spin_lock and bpf_spin_unlock of the same map value, call
 */

struct shared { struct bpf_spin_lock lock; u32 count; };
BPF_ARRAY(SHARED, struct shared, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int zero = 0;
	struct shared *shared = SHARED.lookup(&zero);

	if (!shared)
		return RX_OK;
	bpf_spin_lock(&shared->lock);
	shared->count++;
	return RX_OK;
}
