"""What including ``vmlinux.h`` costs: the same program against the kernel's own types, and against <linux/bpf.h>."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from benchmarks.figures import Figure, median
from dynmon.compiler import Compiler
from dynmon.models import Direction, Hook
from dynmon.settings import CompileLimits

ROUNDS = 20
BAR_SECONDS = 0.060
PROGRAM = """
#include {header}
#include <bpf/bpf_helpers.h>

struct {{
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
}} counts SEC(".maps");

SEC("tc") int count(struct __sk_buff *skb)
{{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&counts, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
	return -1;
}}

char LICENSE[] SEC("license") = "GPL";
/* {number} */
"""


def figures(scratch: Path) -> list[Figure]:
    """Each compilation is of a text that was not compiled before; the first with vmlinux.h makes it."""
    compiler = Compiler(scratch / "cache", CompileLimits())
    numbers = itertools.count()

    def seconds(header: str) -> float:
        source = PROGRAM.format(header=header, number=next(numbers))
        before = time.perf_counter()
        compiler.compile(source, Direction.INGRESS, Hook.TC)
        return time.perf_counter() - before

    try:
        seconds("<linux/bpf.h>")
        first = seconds('"vmlinux.h"')
        with_types, without = [], []
        for _ in range(ROUNDS):
            with_types.append(seconds('"vmlinux.h"'))
            without.append(seconds("<linux/bpf.h>"))
    finally:
        compiler.close()
    extra = median(with_types) - median(without)
    return [
        Figure(
            "compile with vmlinux.h",
            median(with_types),
            "ms",
            median(without),
            "with <linux/bpf.h>",
            "≤ 60 ms more",
            extra <= BAR_SECONDS,
        ),
        Figure("the first with vmlinux.h, which makes it", first, "ms", median(with_types), "the next"),
    ]
