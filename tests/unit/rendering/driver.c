// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the row kernel on what comes from standard input, case by case: everything in memory of exactly its size, so
 * that a sanitizer sees one byte too many.
 */
#include <stdio.h>
#include <stdlib.h>

#include "rows.c"

static void *taken(u64 size)
{
	void *memory = malloc(size);

	if (size && fread(memory, 1, size, stdin) != size)
		exit(2);
	return memory;
}

int main(void)
{
	struct { u64 steps, entries, pool, powers, rows, stride, capacity; } sizes;

	while (fread(&sizes, sizeof(sizes), 1, stdin) == 1) {
		struct plan plan = {
			.steps = taken(sizes.steps * sizeof(struct step)),
			.entries = taken(sizes.entries * sizeof(struct entry)),
			.pool = taken(sizes.pool),
			.powers = taken(sizes.powers * sizeof(struct power)),
			.count = sizes.steps,
		};
		u8 *rows = taken(sizes.rows * sizes.stride), *out = malloc(sizes.capacity);
		u64 written = dynmon_render_rows(&plan, rows, sizes.stride, sizes.rows, out);

		fwrite(&written, sizeof(written), 1, stdout);
		fwrite(out, 1, written, stdout);
		fflush(stdout);
		free((void *)plan.steps);
		free((void *)plan.entries);
		free((void *)plan.pool);
		free((void *)plan.powers);
		free(rows);
		free(out);
	}
	return 0;
}
