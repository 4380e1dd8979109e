/* Internet checksums (RFC 1071, RFC 1624), kept right after a change of the packet. */
#ifndef DYNMON_CHECKSUM_H
#define DYNMON_CHECKSUM_H

static __always_inline __wsum pcn_csum_add(__wsum a, __wsum b)
{
	__u64 sum = (__u64)a + b;

	return (__u32)sum + (__u32)(sum >> 32);
}

static __always_inline __wsum pcn_csum_unfold(__sum16 folded)
{
	return folded;
}

static __always_inline __sum16 pcn_csum_fold(__wsum sum)
{
	__u32 folded = (sum & 0xffff) + (sum >> 16);

	folded = (folded & 0xffff) + (folded >> 16);
	return ~folded;
}

static __always_inline __sum16 pcn_csum16_add(__sum16 sum, __be16 addend)
{
	__u32 both = (__u32)sum + addend;

	return both + (both >> 16);
}

/* `difference` is what pcn_csum_diff says of the change. */
static __always_inline void pcn_csum_replace_by_diff(__sum16 *sum, __wsum difference)
{
	*sum = pcn_csum_fold(pcn_csum_add(difference, ~pcn_csum_unfold(*sum)));
}

#define pcn_csum_diff(FROM, FROM_BYTES, TO, TO_BYTES, SEED)                                                    \
	bpf_csum_diff((__be32 *)(FROM), FROM_BYTES, (__be32 *)(TO), TO_BYTES, SEED)

#ifdef DYNMON_HOOK_XDP

/* The header checksum of an IPv4 header without options. */
static __always_inline void pcn_update_csum(struct iphdr *ip)
{
	__u16 *words = (__u16 *)ip;
	__u32 sum = 0;

	ip->check = 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < (int)sizeof(*ip) / 2; i++)
		sum += words[i];
	ip->check = pcn_csum_fold(sum);
}

static __always_inline int dynmon_csum_difference(u32 old_value, u32 new_value, u32 bytes, __wsum *difference)
{
	switch (bytes) {
	case 0: /* the new value is the difference itself */
		*difference = new_value;
		return old_value ? -DYNMON_EINVAL : 0;
	case 2:
		*difference = pcn_csum_add(~(__u32)(__u16)old_value, (__u16)new_value);
		return 0;
	case 4:
		*difference = pcn_csum_add(~old_value, new_value);
		return 0;
	default:
		return -DYNMON_EINVAL;
	}
}

static __always_inline int dynmon_csum_replace(struct xdp_md *ctx, u32 offset,
					       u32 old_value, u32 new_value, u32 flags)
{
	__wsum difference;
	__sum16 *sum = dynmon_at(ctx, offset, sizeof(*sum));
	int refused = dynmon_csum_difference(old_value, new_value, flags & BPF_F_HDR_FIELD_MASK, &difference);

	if (refused)
		return refused;
	if (!sum)
		return -DYNMON_EFAULT;
	/* A UDP checksum of zero says that there is none. */
	if ((flags & BPF_F_MARK_MANGLED_0) && !(flags & BPF_F_MARK_ENFORCE) && !*sum)
		return 0;
	pcn_csum_replace_by_diff(sum, difference);
	if ((flags & BPF_F_MARK_MANGLED_0) && !*sum)
		*sum = 0xffff;
	return 0;
}

static __always_inline int pcn_l3_csum_replace(struct xdp_md *ctx, u32 csum_offset,
					       u32 old_value, u32 new_value, u32 flags)
{
	return flags & ~BPF_F_HDR_FIELD_MASK ? -DYNMON_EINVAL :
		dynmon_csum_replace(ctx, csum_offset, old_value, new_value, flags);
}

static __always_inline int pcn_l4_csum_replace(struct xdp_md *ctx, u32 csum_offset,
					       u32 old_value, u32 new_value, u32 flags)
{
	return dynmon_csum_replace(ctx, csum_offset, old_value, new_value, flags);
}

#else

static __always_inline int pcn_l3_csum_replace(struct __sk_buff *ctx, u32 csum_offset,
					       u32 old_value, u32 new_value, u32 flags)
{
	return bpf_l3_csum_replace(ctx, csum_offset, old_value, new_value, flags);
}

static __always_inline int pcn_l4_csum_replace(struct __sk_buff *ctx, u32 csum_offset,
					       u32 old_value, u32 new_value, u32 flags)
{
	return bpf_l4_csum_replace(ctx, csum_offset, old_value, new_value, flags);
}

#endif

/* BCC's forms: values in host byte order, their size in the lowest bits of the flags. */
static __always_inline int bpf_l3_csum_replace_(void *ctx, u64 offset, u64 old_value, u64 new_value, u64 flags)
{
	switch (flags & BPF_F_HDR_FIELD_MASK) {
	case 2:
		return pcn_l3_csum_replace(ctx, offset, bpf_htons((__u16)old_value),
					   bpf_htons((__u16)new_value), flags);
	case 4:
		return pcn_l3_csum_replace(ctx, offset, bpf_htonl((__u32)old_value),
					   bpf_htonl((__u32)new_value), flags);
	default:
		return -DYNMON_EINVAL;
	}
}

static __always_inline int bpf_l4_csum_replace_(void *ctx, u64 offset, u64 old_value, u64 new_value, u64 flags)
{
	switch (flags & BPF_F_HDR_FIELD_MASK) {
	case 2:
		return pcn_l4_csum_replace(ctx, offset, bpf_htons((__u16)old_value),
					   bpf_htons((__u16)new_value), flags);
	case 4:
		return pcn_l4_csum_replace(ctx, offset, bpf_htonl((__u32)old_value),
					   bpf_htonl((__u32)new_value), flags);
	default:
		return -DYNMON_EINVAL;
	}
}

/* The packet is the `ctx` of the function that this is written in; OFFSET is that of the checksum. */
#define incr_cksum_l3(OFFSET, OLD, NEW) bpf_l3_csum_replace_(ctx, (u64)(OFFSET), OLD, NEW, sizeof(NEW))
#define incr_cksum_l4(OFFSET, OLD, NEW, PSEUDO)                                                                \
	bpf_l4_csum_replace_(ctx, (u64)(OFFSET), OLD, NEW, ((PSEUDO) ? BPF_F_PSEUDO_HDR : 0) | sizeof(NEW))

#endif
