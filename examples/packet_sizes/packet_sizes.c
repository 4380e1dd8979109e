/* How big are the packets? Slot n counts packets of 2^(n-1) to 2^n - 1 bytes: slot 7 those of 64 to 127 bytes. */

#define SLOTS 20

BPF_ARRAY(PACKET_SIZES, u64, SLOTS);
BPF_ARRAY(PACKET_BYTES, u64, 1);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	unsigned int slot = bpf_log2l(md->packet_len);

	/* Offloads join segments to packets of up to 512 KiB; whatever is bigger belongs to the last slot. */
	if (slot >= SLOTS)
		slot = SLOTS - 1;

	PACKET_SIZES.atomic_increment(slot);
	PACKET_BYTES.atomic_increment(0, md->packet_len);
	return RX_OK;
}
