/*
 * stage: verify
 * line: 18
 * says: a spin lock is held too long, or used otherwise than the kernel wants.*bpf_spin_lock cannot be accessed directly by load/store
 * hint: between bpf_spin_lock and bpf_spin_unlock of the same map value, call
 * note: r\d was a pointer into a value of map 'SHARED' \(8 bytes\); the code writes 4 bytes at offset 0
 */

struct shared { struct bpf_spin_lock lock; u32 count; };
BPF_ARRAY(SHARED, struct shared, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int zero = 0;
	struct shared *shared = SHARED.lookup(&zero);

	if (shared)
		*(volatile u32 *)&shared->lock = 0;
	return RX_OK;
}
