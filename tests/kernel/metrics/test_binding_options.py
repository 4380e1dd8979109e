"""What a metric's options ask of its map is checked before anybody reads it."""

import itertools
import re

import pytest

from dynmon.metrics import UnreadableMap
from dynmon.metrics.errors import UnusableMerge
from tests.kernel.metrics.lab import lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
KINDS = {"HASH": 1, "ARRAY": 2, "PERCPU_HASH": 5, "PERCPU_ARRAY": 6, "LRU_HASH": 9, "LRU_PERCPU_HASH": 10}
SOURCE = "\n".join(
    [
        "struct counts { u64 packets; u64 last_seen; char name[4]; };",
        *(f"MAP({number}, {name}, u32, struct counts, 4, 0);" for name, number in KINDS.items()),
        "MAP(11, LPM_TRIE, u64, struct counts, 4, 1);",
        "MAP(2, MAPPED, u32, u64, 4, 1024);",
        "MAP(2, READ_ONLY, u32, u64, 4, 8);",
        "QUEUE(22, QUEUE, u32, 4);",
        "QUEUE(23, STACK, u32, 4);",
        "QUEUE(30, BLOOM, u32, 4);",
        'struct { int (*type)[27]; int (*max_entries)[4096]; } RING SEC(".maps");',
        "u64 zero;",
        "struct bpf_timer { u64 opaque[2]; };",
        "struct timed { u64 packets; struct bpf_timer timer; };",
        "MAP(2, TIMED, u32, struct timed, 1, 0);",
    ]
)
SWAP, EMPTY = "swap-on-read", "empty-on-read"
TWINS = [*KINDS, "LPM_TRIE", "MAPPED", ".bss"]


@pytest.fixture(scope="module")
def maps():
    with lab(SOURCE) as loaded:
        yield loaded


def options(*names):
    return {"extraction-options": dict.fromkeys(names, True)}


@pytest.mark.parametrize(("name", "asked"), [*itertools.product(TWINS, [(SWAP,), (EMPTY,), (SWAP, EMPTY)])])
def test_maps_are_read_from_a_copy_when_a_write_would_race(maps, name, asked):
    assert maps.bind(name, **options(*asked)).swaps
    assert not maps.bind(name).swaps


@pytest.mark.parametrize("name", ["QUEUE", "STACK"])
def test_queues_and_stacks_have_a_copy_only_where_one_is_asked_for(maps, name):
    assert [False, False, True, True] == [
        maps.bind(name, **options(*asked)).swaps for asked in [(), (EMPTY,), (SWAP,), (SWAP, EMPTY)]
    ]


def test_a_variable_of_its_own_is_emptied(maps):
    assert maps.bind_variable("zero", **options(EMPTY)).swaps


@pytest.mark.parametrize("option", [SWAP, EMPTY])
def test_a_map_that_we_may_not_write_is_not_emptied(maps, option):
    with pytest.raises(UnreadableMap, match=f"{option} would empty it, but it is declared with BPF_F_RDONLY"):
        maps.bind("READ_ONLY", **options(option))


@pytest.mark.parametrize("option", [SWAP, EMPTY])
def test_a_map_that_timers_write_to_is_never_idle(maps, option):
    assert not maps.bind("TIMED").swaps
    with pytest.raises(UnreadableMap, match=f"{option}: its values have a struct bpf_timer, whose callback goes on"):
        maps.bind("TIMED", **options(option))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("BLOOM", "it is of type bloom_filter: it can only be asked whether a value is in it; readable are: array, "),
        ("RING", "it is of type ringbuf: its records are events: read them with GET .../dynmon/NAME/events; readable"),
    ],
)
def test_a_map_without_values_says_why(maps, name, reason):
    with pytest.raises(UnreadableMap) as refusal:
        maps.bind(name)

    assert refusal.value.reason.startswith(reason)


def test_rules_for_fields_are_bound_with_the_metric(maps):
    by_field = maps.bind("HASH", merge={"last_seen": "max"})

    assert by_field.widened.plan.size >= by_field.value.size
    assert maps.bind("HASH").widened.plan == by_field.widened.plan
    assert maps.bind("MAPPED", merge="max").widened.columns != maps.bind("MAPPED").widened.columns


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"last_sen": "max"}, "the value has no field 'last_sen'; it has: packets, last_seen, name"),
        ({"name": "sum"}, "field 'name' cannot have the rule 'sum': it is text"),
    ],
)
def test_rules_that_do_not_fit_are_refused_with_the_metrics_name(maps, rules, reason):
    with pytest.raises(UnusableMerge, match=re.escape(reason)) as refusal:
        maps.bind("HASH", name="flows", merge=rules)

    assert str(refusal.value).startswith("metric 'flows': map 'HASH' of the ingress code cannot be merged like that: ")
    assert ("check", "flows", "HASH") == tuple(refusal.value.fields()[key] for key in ("stage", "metric", "map"))


@pytest.mark.parametrize(("name", "kind"), [("QUEUE", "queue"), ("STACK", "stack")])
def test_values_that_are_taken_once_are_never_merged(maps, name, kind):
    with pytest.raises(UnreadableMap, match=f"merge: values of a {kind} are never put together"):
        maps.bind(name, merge="max")
