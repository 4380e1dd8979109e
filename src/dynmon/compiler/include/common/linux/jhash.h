/* The hash functions of Bob Jenkins's lookup3 (public domain, 2006) under the kernel's names. */
#ifndef DYNMON_LINUX_JHASH_H
#define DYNMON_LINUX_JHASH_H

#include <linux/types.h>

#define JHASH_INITVAL 0xdeadbeef
#define DYNMON_ROTATE(word, bits) ((word) << (bits) | (word) >> (32 - (bits)))

struct dynmon_jhash {
	__u32 a, b, c;
};

/* Three words go in between two of these. */
static inline __attribute__((always_inline, unused)) void dynmon_jhash_mix(struct dynmon_jhash *h)
{
	h->a -= h->c, h->a ^= DYNMON_ROTATE(h->c, 4), h->c += h->b;
	h->b -= h->a, h->b ^= DYNMON_ROTATE(h->a, 6), h->a += h->c;
	h->c -= h->b, h->c ^= DYNMON_ROTATE(h->b, 8), h->b += h->a;
	h->a -= h->c, h->a ^= DYNMON_ROTATE(h->c, 16), h->c += h->b;
	h->b -= h->a, h->b ^= DYNMON_ROTATE(h->a, 19), h->a += h->c;
	h->c -= h->b, h->c ^= DYNMON_ROTATE(h->b, 4), h->b += h->a;
}

static inline __attribute__((always_inline, unused)) __u32 dynmon_jhash_end(struct dynmon_jhash *h)
{
	h->c ^= h->b, h->c -= DYNMON_ROTATE(h->b, 14);
	h->a ^= h->c, h->a -= DYNMON_ROTATE(h->c, 11);
	h->b ^= h->a, h->b -= DYNMON_ROTATE(h->a, 25);
	h->c ^= h->b, h->c -= DYNMON_ROTATE(h->b, 16);
	h->a ^= h->c, h->a -= DYNMON_ROTATE(h->c, 4);
	h->b ^= h->a, h->b -= DYNMON_ROTATE(h->a, 14);
	h->c ^= h->b, h->c -= DYNMON_ROTATE(h->b, 24);
	return h->c;
}

static inline __attribute__((always_inline, unused)) __u32 dynmon_jhash_words(__u32 a, __u32 b, __u32 c, __u32 start)
{
	struct dynmon_jhash h = { a + start, b + start, c + start };

	return dynmon_jhash_end(&h);
}

static inline __attribute__((always_inline, unused)) __u32 jhash_3words(__u32 a, __u32 b, __u32 c, __u32 initval)
{
	return dynmon_jhash_words(a, b, c, initval + JHASH_INITVAL + 12);
}

static inline __attribute__((always_inline, unused)) __u32 jhash_2words(__u32 a, __u32 b, __u32 initval)
{
	return dynmon_jhash_words(a, b, 0, initval + JHASH_INITVAL + 8);
}

static inline __attribute__((always_inline, unused)) __u32 jhash_1word(__u32 a, __u32 initval)
{
	return dynmon_jhash_words(a, 0, 0, initval + JHASH_INITVAL + 4);
}

/* The hash of `bytes` bytes, which must be known to the compiler. */
static inline __attribute__((always_inline, unused)) __u32 jhash(const void *key, __u32 bytes, __u32 initval)
{
	const __u8 *at = key;
	const __u32 start = initval + JHASH_INITVAL + bytes;
	struct dynmon_jhash h = { start, start, start };
	__u32 words[3];

	for (; bytes > sizeof(words); bytes -= sizeof(words), at += sizeof(words)) {
		__builtin_memcpy(words, at, sizeof(words));
		h.a += words[0], h.b += words[1], h.c += words[2];
		dynmon_jhash_mix(&h);
	}
	if (!bytes)
		return h.c;
	words[0] = words[1] = words[2] = 0;
	for (__u32 i = 0; i < bytes; i++)
		words[i / 4] |= (__u32)at[i] << (i % 4 * 8);
	h.a += words[0], h.b += words[1], h.c += words[2];
	return dynmon_jhash_end(&h);
}

/* The same for a number of words. */
static inline __attribute__((always_inline, unused)) __u32 jhash2(const __u32 *key, __u32 length, __u32 initval)
{
	return jhash(key, length * 4, initval);
}

#endif
