"""Code that counts every packet once, in a map of each type; where a cube may run it; how its readings add up."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dynmon.models import CubeType, Direction

PACKETS = int(os.environ.get("EXACT_PACKETS", "10000"))
REPEAT = int(os.environ.get("EXACT_REPEAT", "1"))
READS = 3  # at least so many while packets come
PACKETS_PER_SECOND = 50_000  # a machine may be slow
TIMEOUT_SECONDS = 60 + REPEAT * (5 + PACKETS // PACKETS_PER_SECOND)

KEYS = 16
HANDLER = """
BPF_ARRAY(REFUSED, u64, 1);
{declaration}
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{{
	u32 key = bpf_get_prandom_u32() % {keys};
	u64 one = 1, *count;
	{count}
	return RX_OK;
}}
"""
ADD = """
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		REFUSED.atomic_increment(0);
"""
LOOKUP = "count = COUNTS.lookup(&key);" + ADD
INSERT = "u64 zero = 0;\n\tcount = COUNTS.lookup_or_try_init(&key, &zero);" + ADD
INSERT_PREFIX = """
	struct prefix prefix = {.length = 32, .number = key};
	u64 zero = 0;
	count = COUNTS.lookup_or_try_init(&prefix, &zero);
""" + ADD  # fmt: skip
PUSH = """
	if (COUNTS.push(&one, 0))
		REFUSED.atomic_increment(0);
"""
# Large enough that nothing is evicted or refused: LRU maps keep lists of free entries for each CPU.
DECLARATIONS = {
    "array": (f"BPF_ARRAY(COUNTS, u64, {KEYS});", LOOKUP),
    "percpu_array": (f"BPF_PERCPU_ARRAY(COUNTS, u64, {KEYS});", LOOKUP),
    "hash": ("BPF_HASH(COUNTS, u32, u64, 64);", INSERT),
    "percpu_hash": ("BPF_PERCPU_HASH(COUNTS, u32, u64, 64);", INSERT),
    "lru_hash": ('BPF_TABLE("lru_hash", u32, u64, COUNTS, 4096);', INSERT),
    "lru_percpu_hash": ('BPF_TABLE("lru_percpu_hash", u32, u64, COUNTS, 4096);', INSERT),
    "lpm_trie": (
        "struct prefix { u32 length; u32 number; };\nBPF_LPM_TRIE(COUNTS, struct prefix, u64, 64);",
        INSERT_PREFIX,
    ),
    "queue": ("BPF_QUEUE(COUNTS, u64, 1024);", PUSH),
    "stack": ("BPF_STACK(COUNTS, u64, 1024);", PUSH),
    "variable": (f"u64 counts[{KEYS}];", "__sync_fetch_and_add(&counts[key], one);"),
}
POPPED = ("queue", "stack")
CODES = {
    kind: HANDLER.format(declaration=declaration, keys=KEYS, count=count)
    for kind, (declaration, count) in DECLARATIONS.items()
}
# So that many packets are on their way between the lookup and the count when a switch comes.
LINGER = """
	for (int step = 0; step < 1000; step++)
		one &= bpf_ktime_get_ns() != 0;
	if (count)
"""
SLOW_CODES = {
    kind: code.replace("\n\tif (count)\n", LINGER)
    for kind, code in CODES.items()
    if "hash" in kind or kind == "lpm_trie"
}

OPTIONS = {
    "swap": {"swap-on-read": True},
    "empty": {"empty-on-read": True},
    "swap+empty": {"swap-on-read": True, "empty-on-read": True},
}


@dataclass(frozen=True)
class Hook:
    """Where a cube's path runs, and what the environment hides from it."""

    direction: Direction
    cube_type: CubeType
    without: str = ""  # what this kernel has, where nothing is hidden


HOOKS = {
    "ingress-tc": Hook(Direction.INGRESS, CubeType.TC),
    "ingress-clsact": Hook(Direction.INGRESS, CubeType.TC, without="tcx"),
    "ingress-xdp_skb": Hook(Direction.INGRESS, CubeType.XDP_SKB),
    "ingress-xdp_drv": Hook(Direction.INGRESS, CubeType.XDP_DRV),
    "egress-tc": Hook(Direction.EGRESS, CubeType.TC),
    "egress-clsact": Hook(Direction.EGRESS, CubeType.TC, without="tcx"),
    # XDP is for received packets only: the egress path of such a cube runs at tc, whatever the mode.
    "egress-xdp_drv": Hook(Direction.EGRESS, CubeType.XDP_DRV),
}


def path(kind: str, options: str) -> dict[str, Any]:
    """The configuration of a path that counts in a map of `kind`, read as ``counts``, and ``refused``."""
    named = {"map-name": "COUNTS"}
    if kind == "variable":
        # A variable is looked at by itself; what is emptied is the whole section.
        named = {"variable": "counts"} if options == "swap" else {"map-name": ".bss"}
    metrics = [
        {"name": "counts", **named, "extraction-options": OPTIONS[options]},
        {"name": "refused", "map-name": "REFUSED"},
    ]
    return {"code": CODES[kind], "metric-configs": metrics}


def total(value: object) -> int:
    """The sum of all counts in a reading, whatever its shape; keys are not counts."""
    if isinstance(value, list):
        return sum(map(total, value))
    if isinstance(value, dict):
        return total(value["value"] if "key" in value else list(value.values()))
    assert isinstance(value, int), value
    return value


def read_while(is_needed: Callable[[int], bool], read: Callable[[], int]) -> list[int]:
    """The totals of readings one after the other, as fast as they come, while their number `is_needed`."""
    found: list[int] = []
    while is_needed(len(found)):
        found.append(read())
    return found
