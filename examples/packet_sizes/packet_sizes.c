/* How big are the packets? Bucket n counts packets of 2^(n-1) to 2^n - 1 bytes: bucket 7 those of 64 to 127 bytes. */

#define LAST_BUCKET 20

/* Behind the last bucket stands the sum. */
BPF_HISTOGRAM(PACKET_SIZES, int, LAST_BUCKET + 2);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	unsigned int bucket = bpf_log2l(md->packet_len);

	/* Offloads join segments to packets of up to 512 KiB, which still is in the last bucket. */
	if (bucket > LAST_BUCKET)
		return RX_OK;

	PACKET_SIZES.atomic_increment(bucket);
	PACKET_SIZES.atomic_increment(LAST_BUCKET + 1, md->packet_len);
	return RX_OK;
}
