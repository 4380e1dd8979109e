/* Words of the kernel's own headers, and of BCC's, that code for packets is written with. */
#ifndef DYNMON_COMPAT_H
#define DYNMON_COMPAT_H

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#define __packed __attribute__((packed))
#define __aligned(x) __attribute__((aligned(x)))
#define __maybe_unused __attribute__((unused))
#define __must_check
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define BUILD_BUG_ON(condition) _Static_assert(!(condition), "BUILD_BUG_ON: " #condition)

#define memcpy __builtin_memcpy
#define memset __builtin_memset
#define memmove __builtin_memmove
/* clang would call a function that BPF does not have, so the bytes are compared here. */
#define memcmp(a, b, n) dynmon_memcmp(a, b, n)
static __always_inline int dynmon_memcmp(const void *a, const void *b, unsigned long n)
{
	const unsigned char *left = a, *right = b;

	for (unsigned long i = 0; i < n; i++)
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	return 0;
}

/* Byte order, as the kernel spells it. */
#define htons(x) bpf_htons(x)
#define ntohs(x) bpf_ntohs(x)
#define htonl(x) bpf_htonl(x)
#define ntohl(x) bpf_ntohl(x)
#define cpu_to_be16(x) bpf_htons(x)
#define cpu_to_be32(x) bpf_htonl(x)
#define cpu_to_be64(x) bpf_cpu_to_be64(x)
#define be16_to_cpu(x) bpf_ntohs(x)
#define be32_to_cpu(x) bpf_ntohl(x)
#define be64_to_cpu(x) bpf_be64_to_cpu(x)
#define bpf_htonll(x) bpf_cpu_to_be64(x)
#define bpf_ntohll(x) bpf_be64_to_cpu(x)
#define htonll(x) bpf_cpu_to_be64(x)
#define ntohll(x) bpf_be64_to_cpu(x)

static __always_inline unsigned __int128 dynmon_swap128(unsigned __int128 value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (unsigned __int128)__builtin_bswap64(value) << 64 | __builtin_bswap64(value >> 64);
#else
	return value;
#endif
}
#define bpf_hton128(x) dynmon_swap128(x)
#define bpf_ntoh128(x) dynmon_swap128(x)

/* Arithmetic. */
#define MASK(bits) ((bits) < 64 ? (1ULL << (bits)) - 1 : ~0ULL)
#define MASK128(bits)                                                                                          \
	((bits) < 128 ? ((unsigned __int128)1 << (bits)) - 1 : ~(unsigned __int128)0)
#define lock_xadd(pointer, value) ((void)__sync_fetch_and_add(pointer, value))

/* The logarithm to base 2, rounded down; 0 for 0. */
static __always_inline unsigned int dynmon_log2(unsigned long value)
{
	unsigned int bits = 0;

	if (value >> 32) {
		value >>= 32;
		bits += 32;
	}
	if (value >> 16) {
		value >>= 16;
		bits += 16;
	}
	if (value >> 8) {
		value >>= 8;
		bits += 8;
	}
	if (value >> 4) {
		value >>= 4;
		bits += 4;
	}
	if (value >> 2) {
		value >>= 2;
		bits += 2;
	}
	return bits + (value >> 1);
}

static __always_inline unsigned int bpf_log2(unsigned int value)
{
	return dynmon_log2(value);
}

/* One more than the logarithm: the slot of a histogram, in which 0 and 1 share the first. */
static __always_inline unsigned int bpf_log2l(unsigned long value)
{
	return dynmon_log2(value) + 1;
}

/* The original's form takes a string and its arguments, libbpf's the size of the string too. */
static long (*const dynmon_trace_printk)(const char *format, __u32 bytes, ...) = (void *)BPF_FUNC_trace_printk;
#undef bpf_printk
#define bpf_printk(FORMAT, ...) bpf_trace_printk(FORMAT, ##__VA_ARGS__)
#define bpf_trace_printk(FORMAT, ...)                                                                          \
	({                                                                                                     \
		char dynmon_format[] = FORMAT;                                                                 \
		dynmon_trace_printk(dynmon_format, sizeof(dynmon_format), ##__VA_ARGS__);                      \
	})

#endif
