/* Reading and changing packets, with the same words at TC and XDP. */
#ifndef DYNMON_BYTES_H
#define DYNMON_BYTES_H

#define DYNMON_EINVAL 22
#define DYNMON_EFAULT 14
/* No frame is longer; a bound that the verifier knows for offsets that code computes. */
#define DYNMON_MAX_OFFSET 0x3fff

#ifdef DYNMON_HOOK_XDP

/* The bytes at `offset`, NULL when the packet ends before their end. */
static __always_inline void *dynmon_at(struct xdp_md *ctx, __u64 offset, const __u64 bytes)
{
	void *start = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (offset > DYNMON_MAX_OFFSET)
		return NULL;
	/* clang may otherwise compare offsets, which tells the verifier nothing about the packet. */
	asm volatile("" : "+r"(offset));
	offset &= DYNMON_MAX_OFFSET;
	return start + offset + bytes > end ? NULL : start + offset;
}

static __always_inline int dynmon_load(struct xdp_md *ctx, __u64 offset, void *to, const __u64 bytes)
{
	void *from = dynmon_at(ctx, offset, bytes);

	if (!from)
		return -DYNMON_EFAULT;
	__builtin_memcpy(to, from, bytes);
	return 0;
}

static __always_inline int dynmon_store(struct xdp_md *ctx, __u64 offset, const void *from, const __u64 bytes)
{
	void *to = dynmon_at(ctx, offset, bytes);

	if (!to)
		return -DYNMON_EFAULT;
	__builtin_memcpy(to, from, bytes);
	return 0;
}

/* The first bytes of the packet; how many there were. */
static __always_inline __u32 dynmon_copy_packet(struct xdp_md *ctx, char *to, const __u32 room)
{
	unsigned char *start = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 copied = 0;

#pragma clang loop unroll(disable)
	for (; copied < room; copied++) {
		if (start + copied + 1 > end)
			break;
		to[copied] = start[copied];
	}
	return copied;
}

#else

static __always_inline int dynmon_load(struct __sk_buff *ctx, __u64 offset, void *to, const __u64 bytes)
{
	return bpf_skb_load_bytes(ctx, offset, to, bytes);
}

static __always_inline int dynmon_store(struct __sk_buff *ctx, __u64 offset, const void *from, const __u64 bytes)
{
	return bpf_skb_store_bytes(ctx, offset, from, bytes, 0);
}

static __always_inline __u32 dynmon_copy_packet(struct __sk_buff *ctx, char *to, const __u32 room)
{
	__u64 last = ctx->len - 1ull;

	if (last >= room)
		last = room - 1;
	/*
	 * The verifier must see both bounds of the very register that the helper gets, and learns none from a
	 * comparison with 0 before Linux 6.8: so the number is compared before 1 is added.
	 */
	asm volatile("" : "+r"(last));
	if (last >= room)
		return 0;
	asm volatile("" : "+r"(last));
	return bpf_skb_load_bytes(ctx, 0, to, last + 1) ? 0 : last + 1;
}

#endif

/* Loads by offset, in host byte order; 0 where the packet has ended. */
static __always_inline u64 load_byte(void *ctx, u64 offset)
{
	__u8 value = 0;

	return dynmon_load(ctx, offset, &value, sizeof(value)) ? 0 : value;
}

static __always_inline u64 load_half(void *ctx, u64 offset)
{
	__u16 value = 0;

	return dynmon_load(ctx, offset, &value, sizeof(value)) ? 0 : bpf_ntohs(value);
}

static __always_inline u64 load_word(void *ctx, u64 offset)
{
	__u32 value = 0;

	return dynmon_load(ctx, offset, &value, sizeof(value)) ? 0 : bpf_ntohl(value);
}

static __always_inline u64 load_dword(void *ctx, u64 offset)
{
	__u64 value = 0;

	return dynmon_load(ctx, offset, &value, sizeof(value)) ? 0 : bpf_be64_to_cpu(value);
}

/* Stores by offset, of a value in host byte order; nothing happens where the packet has ended. */
static __always_inline void bpf_store_byte(void *ctx, u64 offset, u64 value)
{
	__u8 raw = value;

	dynmon_store(ctx, offset, &raw, sizeof(raw));
}

static __always_inline void bpf_store_half(void *ctx, u64 offset, u64 value)
{
	__u16 raw = bpf_htons((__u16)value);

	dynmon_store(ctx, offset, &raw, sizeof(raw));
}

static __always_inline void bpf_store_word(void *ctx, u64 offset, u64 value)
{
	__u32 raw = bpf_htonl((__u32)value);

	dynmon_store(ctx, offset, &raw, sizeof(raw));
}

static __always_inline void bpf_store_dword(void *ctx, u64 offset, u64 value)
{
	__u64 raw = bpf_cpu_to_be64(value);

	dynmon_store(ctx, offset, &raw, sizeof(raw));
}

/*
 * A field of `bits` bits that begins `first_bit` bits behind the byte at `offset`, the highest bit of a byte first as
 * headers are drawn. It must lie within the 1, 2, 4 or 8 bytes from `offset`.
 */
static __always_inline u64 bpf_dext_pkt(void *ctx, u64 offset, u64 first_bit, u64 bits)
{
	const u64 end = first_bit + bits;

	if (end <= 8)
		return load_byte(ctx, offset) >> (8 - end) & MASK(bits);
	if (end <= 16)
		return load_half(ctx, offset) >> (16 - end) & MASK(bits);
	if (end <= 32)
		return load_word(ctx, offset) >> (32 - end) & MASK(bits);
	return end <= 64 ? load_dword(ctx, offset) >> (64 - end) & MASK(bits) : 0;
}

static __always_inline u64 dynmon_with_field(u64 whole, u64 shift, u64 bits, u64 value)
{
	return (whole & ~(MASK(bits) << shift)) | (value & MASK(bits)) << shift;
}

static __always_inline void bpf_dins_pkt(void *ctx, u64 offset, u64 first_bit, u64 bits, u64 value)
{
	const u64 end = first_bit + bits;

	if (end <= 8)
		bpf_store_byte(ctx, offset, dynmon_with_field(load_byte(ctx, offset), 8 - end, bits, value));
	else if (end <= 16)
		bpf_store_half(ctx, offset, dynmon_with_field(load_half(ctx, offset), 16 - end, bits, value));
	else if (end <= 32)
		bpf_store_word(ctx, offset, dynmon_with_field(load_word(ctx, offset), 32 - end, bits, value));
	else if (end <= 64)
		bpf_store_dword(ctx, offset, dynmon_with_field(load_dword(ctx, offset), 64 - end, bits, value));
}

#endif
