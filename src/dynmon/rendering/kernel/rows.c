// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of bytes -> text, by a plan: the fast one of two executors. The other one is plain.py, which says what is right.
 *
 * Nothing here allocates, calls, or knows how long a text will be: program.py, which makes the steps, has checked that
 * every step stays inside of a row, and gives a buffer that holds the longest text that the plan can write, and SLACK
 * bytes more. Copies go by blocks, so they may write up to SLACK bytes behind what counts, and read as many behind a
 * text of the pool.
 */

#include "plan.h"
#include "numbers.h"
#include "floats.h"
#include "addresses.h"
#include "texts.h"

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
