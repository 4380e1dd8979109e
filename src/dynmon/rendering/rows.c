// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of bytes -> text, by a plan: the fast one of two executors. The other one is plain.py, which says what is right.
 *
 * Nothing here allocates, calls, or knows how long a text will be: program.py, which makes the steps, has checked that
 * every step stays inside of a row, and gives a buffer that holds the longest text that the plan can write, and SLACK
 * bytes more. Copies go by blocks, so they may write up to SLACK bytes behind what counts, and read as many behind a
 * text of the pool. The structures have equals in program.py.
 */

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

/* Below 10^8, without zeros before it. */
inlined u8 *put_short(u8 *out, u64 number)
{
	u8 digits[8];
	u64 skipped = 0;

	if (number < 10) {
		*out = '0' + (u8)number;
		return out + 1;
	}
	if (number < 100)
		return put_pair(out, number);
	put_eight(digits, number);
	while (digits[skipped] == '0')
		skipped++;
	for (u64 place = skipped; place < 8; place++)
		*out++ = digits[place];
	return out;
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

	if (step->kind == BIT_FIELD || step->is_big_endian)
		return (u64)wide_number(step, row);
	switch (step->size) {
	case 1:
		return step->is_signed ? (u64)(s64)(signed char)*own : *own;
	case 2:
		__builtin_memcpy(&two, own, 2);
		return step->is_signed ? (u64)(s64)(__INT16_TYPE__)two : two;
	case 4:
		__builtin_memcpy(&four, own, 4);
		return step->is_signed ? (u64)(s64)(__INT32_TYPE__)four : four;
	case 8:
		__builtin_memcpy(&eight, own, 8);
		return eight;
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

/*
 * Doubles in the shortest form that reads back as the same, by the method of R. Giulietti, "The Schubfach way to
 * render doubles" (2020): the ends of the interval that rounds to the number are scaled by a power of ten to about
 * seventeen digits, and of the multiples of ten, or else of one, inside of it the nearest is taken. A product whose
 * lower bits were cut off keeps a sign of them in its lowest bit.
 */
#define FRACTION_BITS 52
#define EXPONENT_BIAS 1075
#define LOWEST_POWER (-292)

struct decimal {
	u64 digits;
	int exponent;
};

inlined u64 scaled_odd(const struct power *power, u64 number)
{
	u128 low = (u128)power->low * number;
	u128 whole = (u128)power->high * number + (u64)(low >> 64);

	return (u64)(whole >> 64) | ((u64)whole > 1);
}

static struct decimal shortest(const struct power *powers, u64 fraction, int biased)
{
	u64 number = biased ? fraction | 1ULL << FRACTION_BITS : fraction;
	int exponent = (biased ? biased : 1) - EXPONENT_BIAS;

	if (exponent <= 0 && exponent > -FRACTION_BITS - 1 && !(number & ((1ULL << -exponent) - 1)))
		return (struct decimal){ number >> -exponent, 0 };

	int is_odd = number & 1, is_closer_below = !fraction && biased > 1;
	int tens = (exponent * 1262611 - (is_closer_below ? 524031 : 0)) >> 22;
	int shift = exponent + ((-tens * 1741647) >> 19) + 1;
	const struct power *power = &powers[-tens - LOWEST_POWER];
	u64 below = scaled_odd(power, (4 * number - 2 + (u64)is_closer_below) << shift) + (u64)is_odd;
	u64 middle = scaled_odd(power, 4 * number << shift);
	u64 above = scaled_odd(power, (4 * number + 2) << shift) - (u64)is_odd;
	u64 whole = middle / 4, lower, upper;

	if (whole >= 10) {
		u64 ten = whole / 10;

		lower = below <= 40 * ten;
		upper = 40 * ten + 40 <= above;
		if (lower != upper)
			return (struct decimal){ ten + upper, tens + 1 };
	}
	lower = below <= 4 * whole;
	upper = 4 * whole + 4 <= above;
	if (lower != upper)
		return (struct decimal){ whole + upper, tens };
	u64 half = 4 * whole + 2;

	return (struct decimal){ whole + (middle > half || (middle == half && (whole & 1))), tens };
}

inlined u8 *zeros(u8 *out, int count)
{
	while (count-- > 0)
		*out++ = '0';
	return out;
}

/* `digits` with a point behind the first `before`; zeros where there are no digits. */
static u8 *put_fixed(u8 *out, const u8 *digits, int count, int before, enum form form)
{
	if (before <= 0) {
		out = zeros(PUT(out, "0."), -before);
		return put(out, (const char *)digits, (u64)count);
	}
	for (int place = 0; place < before; place++)
		*out++ = place < count ? digits[place] : '0';
	if (before < count) {
		*out++ = '.';
		return put(out, (const char *)digits + before, (u64)(count - before));
	}
	return form == JSON ? PUT(out, ".0") : out;
}

static u8 *put_exponent(u8 *out, const u8 *digits, int count, int scale)
{
	*out++ = digits[0];
	if (count > 1) {
		*out++ = '.';
		out = put(out, (const char *)digits + 1, (u64)(count - 1));
	}
	*out++ = 'e';
	*out++ = scale < 0 ? '-' : '+';
	scale = scale < 0 ? -scale : scale;
	if (scale < 100)
		return put_pair(out, (u64)scale);
	*out++ = '0' + (u8)(scale / 100);
	return put_pair(out, (u64)scale % 100);
}

static u8 *put_double(u8 *out, const struct power *powers, double value, enum form form)
{
	u64 bits;

	__builtin_memcpy(&bits, &value, sizeof(bits));
	u64 fraction = bits & ((1ULL << FRACTION_BITS) - 1);
	int biased = (int)(bits >> FRACTION_BITS) & 0x7ff, is_negative = (int)(bits >> 63);

	if (biased == 0x7ff) {
		if (form == JSON)
			return PUT(out, "null");
		if (fraction)
			return PUT(out, "NaN");
		return is_negative ? PUT(out, "-Inf") : PUT(out, "+Inf");
	}
	struct decimal decimal = { 0, 0 };
	u8 digits[20];

	if (is_negative)
		*out++ = '-';
	if (bits << 1)
		decimal = shortest(powers, fraction, biased);
	while (decimal.digits && decimal.digits % 10 == 0) {
		decimal.digits /= 10;
		decimal.exponent++;
	}
	int count = (int)(put_unsigned(digits, decimal.digits) - digits);
	int scale = decimal.digits ? count + decimal.exponent - 1 : 0;

	if (scale >= -4 && scale < (form == JSON ? 16 : 6))
		return put_fixed(out, digits, count, scale + 1, form);
	return put_exponent(out, digits, count, scale);
}

/* Sixteen bits widened: what is below the normal numbers there is a normal number here. */
static double half_of(u16 bits)
{
	u64 fraction = bits & 0x3ff, exponent = bits >> 10 & 0x1f, sign = (u64)(bits >> 15) << 63, wide;
	double value;

	if (!exponent) {
		value = (double)fraction / (1 << 24);
		return sign ? -value : value;
	}
	exponent = exponent == 0x1f ? 0x7ff : exponent + 1023 - 15;
	wide = sign | exponent << FRACTION_BITS | fraction << (FRACTION_BITS - 10);
	__builtin_memcpy(&value, &wide, sizeof(value));
	return value;
}

static double float_of(const struct step *step, const u8 *row)
{
	const u8 *own = row + step->offset;
	double value;
	float single;
	u16 half;

	switch (step->size) {
	case 2:
		__builtin_memcpy(&half, own, sizeof(half));
		return half_of(half);
	case 4:
		__builtin_memcpy(&single, own, sizeof(single));
		return single;
	default:
		__builtin_memcpy(&value, own, sizeof(value));
		return value;
	}
}

static u8 *put_scaled(u8 *out, const struct plan *plan, const struct step *step, const u8 *row)
{
	u64 number = number_of(step + 1, row);
	double value = step[1].is_signed ? (double)(s64)number : (double)number;

	return put_double(out, plan->powers, value * step->multiplier, step->form);
}

inlined u8 *put_byte(u8 *out, u8 number)
{
	if (number >= 100) {
		*out++ = '0' + number / 100;
		return put_pair(out, number % 100);
	}
	if (number >= 10)
		return put_pair(out, number);
	*out = '0' + number;
	return out + 1;
}

inlined u8 *put_ipv4(u8 *out, const u8 *address)
{
	for (int place = 0; place < 4; place++) {
		out = put_byte(out, address[place]);
		*out++ = '.';
	}
	return out - 1;
}

inlined u8 *put_word(u8 *out, u32 word)
{
	int shift = word > 0xfff ? 12 : word > 0xff ? 8 : word > 0xf ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		*out++ = (u8)hexadecimal_digits[word >> shift & 0xf];
	return out;
}

/* RFC 5952: the longest run of two or more zero words, the first of equals, is "::"; IPv4 inside is dotted. */
static u8 *put_ipv6(u8 *out, const u8 *address)
{
	u32 words[8];
	int best = -1, best_size = 1;

	for (int place = 0; place < 8; place++)
		words[place] = (u32)address[2 * place] << 8 | address[2 * place + 1];
	for (int place = 0; place < 8; place++) {
		int end = place;

		while (end < 8 && !words[end])
			end++;
		if (end - place > best_size) {
			best = place;
			best_size = end - place;
		}
		place = end > place ? end - 1 : place;
	}
	int has_ipv4 = best == 0 && (best_size == 6 || (best_size == 5 && words[5] == 0xffff));

	for (int place = 0; place < 8; place++) {
		if (place == best) {
			out = PUT(out, "::");
			place += best_size - 1;
			continue;
		}
		if (place && place != best + best_size)
			*out++ = ':';
		if (has_ipv4 && place == 6)
			return put_ipv4(out, address + 12);
		out = put_word(out, words[place]);
	}
	return out;
}

static u8 *put_prefix(u8 *out, const struct step *step, const u8 *row)
{
	const u8 *own = row + step->offset;
	u8 address[16];
	u32 length;

	__builtin_memcpy(&length, own, sizeof(length));
	for (u32 place = 0; place < step->size; place++) {
		u32 kept = length > 8 * place ? length - 8 * place : 0;

		address[place] = own[sizeof(length) + place] & (u8)(kept < 8 ? 0xff00 >> kept : 0xff);
	}
	out = step->size == 4 ? put_ipv4(out, address) : put_ipv6(out, address);
	*out++ = '/';
	return put_unsigned(out, length);
}

inlined u8 *put_hexadecimal(u8 *out, const u8 *from, u32 size)
{
	for (u32 place = 0; place < size; place++) {
		*out++ = (u8)hexadecimal_digits[from[place] >> 4];
		*out++ = (u8)hexadecimal_digits[from[place] & 0xf];
	}
	return out;
}

static u8 *put_mac(u8 *out, const u8 *address)
{
	for (int place = 0; place < 6; place++) {
		out = put_hexadecimal(out, address + place, 1);
		*out++ = ':';
	}
	return out - 1;
}

/* One character of seven bits. */
inlined u8 *put_character(u8 *out, u8 character, enum form form)
{
	static const char json_escapes[] = "btn.fr";

	if (character == '"' || character == '\\') {
		*out++ = '\\';
	} else if (character < 0x20 && form == JSON) {
		if (character < '\b' || character > '\r' || character == '\v') {
			out = PUT(out, "\\u00");
			return put_hexadecimal(out, &character, 1);
		}
		*out++ = '\\';
		character = (u8)json_escapes[character - '\b'];
	} else if (character == '\n') {
		out = PUT(out, "\\n");
		return out;
	}
	*out++ = character;
	return out;
}

/*
 * How many bytes at `from` are one character of UTF-8, negative for as many that only begin one (at least one):
 * no overlong forms, no surrogates, nothing beyond U+10FFFF.
 */
static int character_size(const u8 *from, u64 room)
{
	u8 lead = from[0], lowest = 0x80, highest = 0xbf;
	int size = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

	if (!size)
		return -1;
	if (lead == 0xe0)
		lowest = 0xa0;
	if (lead == 0xed)
		highest = 0x9f;
	if (lead == 0xf0)
		lowest = 0x90;
	if (lead == 0xf4)
		highest = 0x8f;
	for (int place = 1; place < size; place++) {
		if ((u64)place >= room || from[place] < lowest || from[place] > highest)
			return -place;
		lowest = 0x80;
		highest = 0xbf;
	}
	return size;
}

static u8 *put_text(u8 *out, const u8 *from, u64 room, enum form form)
{
	while (room && *from) {
		int size = 1;

		if (*from < 0x80) {
			out = put_character(out, *from, form);
		} else {
			size = character_size(from, room);
			out = size > 0 ? put(out, (const char *)from, (u64)size) : PUT(out, "\xef\xbf\xbd");
			size = size > 0 ? size : -size;
		}
		from += size;
		room -= (u64)size;
	}
	return out;
}

static const struct entry *chosen(const struct plan *plan, const struct step *step, u64 number)
{
	const struct entry *entries = plan->entries + step->start;
	u32 low = 0, high = step->count;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (entries[middle].number == number)
			return &entries[middle];
		if (entries[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

inlined const struct entry *picked(const struct plan *plan, const struct step *step, const u8 *row)
{
	u32 index;

	__builtin_memcpy(&index, row + step->offset, sizeof(index));
	return index < step->count ? plan->entries + step->start + index : 0;
}

static u8 *run(u8 *out, const struct plan *plan, const struct step *step, const struct step *end, const u8 *row);

static u8 *repeat(u8 *out, const struct plan *plan, const struct step *step, const u8 *first)
{
	for (u32 number = 0; number < step->count; number++) {
		if (number)
			out = copy(out, plan->pool + step->start, step->separator);
		out = run(out, plan, step + 1, step + 1 + step->inner, first + (u64)number * step->stride);
	}
	return out;
}

static u8 *choose(u8 *out, const struct plan *plan, const struct step *step, const u8 *row)
{
	const struct entry *entry = chosen(plan, step, number_of(step + 1, row));

	if (entry)
		return copy(out, plan->pool + entry->start, entry->size);
	return run(out, plan, step + 2, step + 1 + step->inner, row);
}

static u8 *run(u8 *out, const struct plan *plan, const struct step *step, const struct step *end, const u8 *row)
{
	const struct entry *entry;

	for (; step < end; step += 1 + step->inner) {
		const u8 *own = row + step->offset;

		switch ((enum kind)step->kind) {
		case LITERAL:
			out = copy(out, plan->pool + step->start, step->size);
			break;
		case INTEGER:
		case BIT_FIELD:
			out = put_number(out, step, row);
			break;
		case FLOAT:
			out = put_double(out, plan->powers, float_of(step, row), step->form);
			break;
		case SCALED:
			out = put_scaled(out, plan, step, row);
			break;
		case IPV4:
			out = put_ipv4(out, own);
			break;
		case IPV6:
			out = put_ipv6(out, own);
			break;
		case PREFIX:
			out = put_prefix(out, step, row);
			break;
		case MAC:
			out = put_mac(out, own);
			break;
		case HEXADECIMAL:
			out = put_hexadecimal(out, own, step->size);
			break;
		case TEXT:
			out = put_text(out, own, step->size, step->form);
			break;
		case CHOICE:
			out = choose(out, plan, step, row);
			break;
		case PICK:
			entry = picked(plan, step, row);
			if (entry)
				out = copy(out, plan->pool + entry->start, entry->size);
			break;
		case REPEAT:
			out = repeat(out, plan, step, own);
			break;
		}
	}
	return out;
}

/* Write the text of `count` rows, `stride` bytes apart; how many bytes it has. */
u64 dynmon_render_rows(const struct plan *plan, const u8 *rows, u64 stride, u64 count, u8 *out)
{
	u8 *end = out;

	for (u64 number = 0; number < count; number++)
		end = run(end, plan, plan->steps, plan->steps + plan->count, rows + number * stride);
	return (u64)(end - out);
}
