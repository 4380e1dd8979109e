// SPDX-License-Identifier: Apache-2.0
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
