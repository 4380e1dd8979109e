// SPDX-License-Identifier: Apache-2.0
/* What a plan is made of; program.py has the same structures. */

typedef __UINT8_TYPE__ u8;
typedef __UINT16_TYPE__ u16;
typedef __UINT32_TYPE__ u32;
typedef __UINT64_TYPE__ u64;
typedef __INT64_TYPE__ s64;
typedef unsigned __int128 u128;

#define SLACK 16
#define inlined static inline __attribute__((always_inline))

enum kind {
	LITERAL, INTEGER, BIT_FIELD, FLOAT, SCALED, IPV4, IPV6, PREFIX, MAC, HEXADECIMAL, TEXT, CHOICE, PICK, REPEAT,
};

enum form { JSON, EXPOSITION };

struct step {
	u32 kind;
	u32 form;
	u32 offset;		/* of the bytes in the row, or of what repeated steps take for one */
	u32 size;		/* of these bytes, or of a literal's text */
	u32 shift;		/* of a bit-field */
	u32 bits;
	u32 is_signed;
	u32 is_big_endian;
	u32 start;		/* of a literal's or separator's text in the pool, or of the entries of a choice or pick */
	u32 count;		/* of these entries, or how often a step repeats others */
	u32 stride;		/* of repeated steps */
	u32 separator;		/* the size of what stands between them */
	u32 inner;		/* how many of the steps behind this one are part of it */
	u32 unused;
	double multiplier;
};

/* One text of a choice, which has them in the order of their numbers, or of a pick. */
struct entry {
	u64 number;
	u32 start;
	u32 size;
};

/* 10^k as a 128-bit significand, for one k after the other. */
struct power {
	u64 low;
	u64 high;
};

struct plan {
	const struct step *steps;
	const struct entry *entries;
	const u8 *pool;
	const struct power *powers;
	u64 count;
};
