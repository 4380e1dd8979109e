// SPDX-License-Identifier: Apache-2.0
/* Text up to its end, escaped; what is no UTF-8 becomes U+FFFD, as Python's decoder does it. */

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
