// SPDX-License-Identifier: Apache-2.0
/* Whole numbers, and how pieces are put behind one another. */

static const char digit_pairs[] =
	"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
	"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
static const char hexadecimal_digits[] = "0123456789abcdef";

inlined u8 *copy(u8 *out, const u8 *from, u64 size)
{
	for (u64 done = 0; done < size; done += SLACK)
		__builtin_memcpy(out + done, from + done, SLACK);
	return out + size;
}

inlined u8 *put(u8 *out, const char *text, u64 size)
{
	for (u64 done = 0; done < size; done++)
		out[done] = (u8)text[done];
	return out + size;
}

#define PUT(out, text) put(out, text, sizeof(text) - 1)

inlined u8 *put_pair(u8 *out, u64 number)
{
	__builtin_memcpy(out, digit_pairs + 2 * number, 2);
	return out + 2;
}

/* Exactly eight digits. */
inlined u8 *put_eight(u8 *out, u64 number)
{
	u64 high = number / 10000, low = number % 10000;

	put_pair(out, high / 100);
	put_pair(out + 2, high % 100);
	put_pair(out + 4, low / 100);
	put_pair(out + 6, low % 100);
	return out + 8;
}

/* Below 100, without a zero before it; what chooses is arithmetic, since no CPU foresees the digits of a number. */
inlined u8 *put_two(u8 *out, u64 number)
{
	u16 pair;

	__builtin_memcpy(&pair, digit_pairs + 2 * number, 2);
	pair = (u16)(pair >> (number < 10 ? 8 : 0));
	__builtin_memcpy(out, &pair, 2);
	return out + 1 + (number >= 10);
}

/* Below 10^8, without zeros before it. */
inlined u8 *put_short(u8 *out, u64 number)
{
	if (number < 100)
		return put_two(out, number);
	if (number < 10000)
		return put_pair(put_two(out, number / 100), number % 100);
	u64 high = number / 10000, low = number % 10000;

	out = high < 100 ? put_two(out, high) : put_pair(put_two(out, high / 100), high % 100);
	return put_pair(put_pair(out, low / 100), low % 100);
}

static u8 *put_unsigned(u8 *out, u64 number)
{
	const u64 eight = 100000000;

	if (number < eight)
		return put_short(out, number);
	if (number < eight * eight)
		return put_eight(put_short(out, number / eight), number % eight);
	out = put_short(out, number / eight / eight);
	out = put_eight(out, number / eight % eight);
	return put_eight(out, number % eight);
}

/* 128 bits are divided by 10^8 in four steps of 32 bits: the compiler's own way is a call into its library. */
static u8 *put_wide(u8 *out, u128 number)
{
	const u64 eight = 100000000;
	u64 groups[5], count = 0;

	while (number >> 64) {
		u64 limbs[4] = { (u64)(number >> 96), (u64)(number >> 64) & 0xffffffff,
				 (u64)(number >> 32) & 0xffffffff, (u64)number & 0xffffffff };
		u64 rest = 0;

		for (int limb = 0; limb < 4; limb++) {
			u64 part = rest << 32 | limbs[limb];

			limbs[limb] = part / eight;
			rest = part % eight;
		}
		groups[count++] = rest;
		number = (u128)(limbs[0] << 32 | limbs[1]) << 64 | (limbs[2] << 32 | limbs[3]);
	}
	out = put_unsigned(out, (u64)number);
	while (count)
		out = put_eight(out, groups[--count]);
	return out;
}

inlined u128 bytes_of(const u8 *from, u32 size, u32 is_big_endian)
{
	u128 number = 0;

	for (u32 place = 0; place < size; place++)
		number |= (u128)from[place] << 8 * (is_big_endian ? size - 1 - place : place);
	return number;
}

/* The number of a step that has one, its sign repeated up to the highest of 128 bits. */
static u128 wide_number(const struct step *step, const u8 *row)
{
	const u8 *own = row + step->offset;
	u32 above = 128 - step->bits;
	u128 number;

	if (step->kind == INTEGER) {
		number = bytes_of(own, step->size, step->is_big_endian);
	} else {
		number = bytes_of(own, step->size > 16 ? 16 : step->size, 0) >> step->shift;
		if (step->size > 16 && step->shift)
			number |= (u128)own[16] << (128 - step->shift);
	}
	number <<= above;
	return step->is_signed ? (u128)((__int128)number >> above) : number >> above;
}

/* The same for up to 64 bits. */
inlined u64 number_of(const struct step *step, const u8 *row)
{
	const u8 *own = row + step->offset;
	u64 eight;
	u32 four;
	u16 two;

	if (step->kind == BIT_FIELD)
		return (u64)wide_number(step, row);
	switch (step->size) {
	case 1:
		return step->is_signed ? (u64)(s64)(signed char)*own : *own;
	case 2:
		__builtin_memcpy(&two, own, 2);
		two = step->is_big_endian ? __builtin_bswap16(two) : two;
		return step->is_signed ? (u64)(s64)(__INT16_TYPE__)two : two;
	case 4:
		__builtin_memcpy(&four, own, 4);
		four = step->is_big_endian ? __builtin_bswap32(four) : four;
		return step->is_signed ? (u64)(s64)(__INT32_TYPE__)four : four;
	case 8:
		__builtin_memcpy(&eight, own, 8);
		return step->is_big_endian ? __builtin_bswap64(eight) : eight;
	default:
		return (u64)wide_number(step, row);
	}
}

inlined u8 *put_number(u8 *out, const struct step *step, const u8 *row)
{
	if (step->bits > 64) {
		u128 number = wide_number(step, row);

		if (step->is_signed && (__int128)number < 0) {
			*out++ = '-';
			number = -number;
		}
		return put_wide(out, number);
	}
	u64 number = number_of(step, row);

	if (step->is_signed && (s64)number < 0) {
		*out++ = '-';
		number = -number;
	}
	return put_unsigned(out, number);
}
