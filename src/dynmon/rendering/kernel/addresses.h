// SPDX-License-Identifier: Apache-2.0
/* Addresses and bytes: IPv4, IPv6, prefixes, MAC, hexadecimal. */

/* The text of a byte with the dot behind it; the same four bytes are written for each, and fewer of them count. */
#define OCTET(n) { \
	'0' + ((n) > 99 ? (n) / 100 : (n) > 9 ? (n) / 10 : (n)), \
	(n) > 99 ? '0' + (n) / 10 % 10 : (n) > 9 ? '0' + (n) % 10 : '.', \
	(n) > 99 ? '0' + (n) % 10 : '.', \
	'.' }
#define OCTETS_4(n) OCTET(n), OCTET((n) + 1), OCTET((n) + 2), OCTET((n) + 3)
#define OCTETS_16(n) OCTETS_4(n), OCTETS_4((n) + 4), OCTETS_4((n) + 8), OCTETS_4((n) + 12)
#define OCTETS_64(n) OCTETS_16(n), OCTETS_16((n) + 16), OCTETS_16((n) + 32), OCTETS_16((n) + 48)
static const u8 octets[256][4] = { OCTETS_64(0), OCTETS_64(64), OCTETS_64(128), OCTETS_64(192) };

/* The last dot, which no address ends with, is in the slack of a text or under the piece behind it. */
inlined u8 *put_ipv4(u8 *out, const u8 *address)
{
	for (int place = 0; place < 4; place++) {
		__builtin_memcpy(out, octets[address[place]], 4);
		out += 2 + (address[place] > 9) + (address[place] > 99);
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
