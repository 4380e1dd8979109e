"""Maps in the kernel become valid families; what cannot be one says why."""

import math
import struct

import pytest

from dynmon.bpf import possible_cpus
from dynmon.metrics import families_of
from dynmon.models import Direction
from tests.expositions import help_of, samples_of
from tests.kernel.metrics.lab import lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
SOURCE = """
enum color { RED = 1, GREEN };
struct flow { u32 a; u32 b; };
MAP(2, ONE, u32, u64, 1, 0);
MAP(2, SEVERAL, u32, int, 3, 0);
MAP(2, FLAG, u32, _Bool, 1, 0);
MAP(2, COLOR, u32, enum color, 1, 0);
MAP(2, WIDE, u32, unsigned __int128, 1, 0);
MAP(2, REAL, u32, double, 2, 0);
MAP(6, PERCPU, u32, u32, 1, 0);
MAP(1, BY_COLOR, enum color, u64, 10, 0);
MAP(5, PERCPU_BY_PORT, u16, u64, 10, 0);
MAP(1, BY_FLOW, struct flow, u64, 10, 0);
MAP(1, FLOWS, u32, struct flow, 10, 0);
MAP(2, POINTERS, u32, void *, 1, 0);
MAP(1, EMPTY, u32, u64, 10, 0);
QUEUE(22, SIZES, u32, 10);
struct { int (*type)[2]; int (*key_size)[4]; int (*value_size)[3]; int (*max_entries)[1]; } UNTYPED SEC(".maps");
"""
INDEX = bytes(4)


@pytest.fixture(scope="module")
def maps_and_types():
    with lab(SOURCE) as loaded:
        yield loaded


@pytest.fixture
def metric(maps_and_types):
    def bind(map_name, kind="gauge", name=None, direction=Direction.INGRESS, labels=(), options=None, text="Help."):
        metadata = {"type": kind, "help": text, "labels": [{"name": key, "value": value} for key, value in labels]}
        config = {"name": name or map_name.lower(), "open-metrics-metadata": metadata}
        return maps_and_types.bind(map_name, direction=direction, **config, **(options or {}))

    return bind


@pytest.mark.parametrize("name", ["one", "one_total"])
def test_a_counter_has_total_behind_its_samples_however_it_is_named(maps_and_types, metric, name):
    maps_and_types.maps["ONE"].update(INDEX, struct.pack("<Q", 2**64 - 1))

    assert {("one_total",): 2**64 - 1} == samples_of(families_of([metric("ONE", "counter", name)]))


def test_scalars_of_every_kind_are_samples(maps_and_types, metric):
    maps = maps_and_types.maps
    for index, value in enumerate((-1, 0, 7)):
        maps["SEVERAL"].update(struct.pack("<I", index), struct.pack("<i", value))
    maps["FLAG"].update(INDEX, b"\1")
    maps["COLOR"].update(INDEX, struct.pack("<I", 2))
    maps["WIDE"].update(INDEX, b"\xff" * 16)
    maps["REAL"].update(INDEX, struct.pack("<d", -2.5))
    maps["REAL"].update(struct.pack("<I", 1), struct.pack("<d", math.inf))
    maps["PERCPU"].update(INDEX, struct.pack("<I4x", 2**32 - 1) * possible_cpus())
    maps["BY_COLOR"].update(struct.pack("<I", 1), struct.pack("<Q", 10))
    maps["BY_COLOR"].update(struct.pack("<I", 77), struct.pack("<Q", 20))
    maps["PERCPU_BY_PORT"].update(struct.pack("<H", 53), struct.pack("<Q", 2**63) * possible_cpus())
    names = ["SEVERAL", "FLAG", "COLOR", "WIDE", "REAL", "PERCPU", "BY_COLOR", "PERCPU_BY_PORT", "EMPTY"]

    assert {
        ("several", "index=0"): -1,
        ("several", "index=1"): 0,
        ("several", "index=2"): 7,
        ("flag",): 1,
        ("color",): 2,
        ("wide",): 2**128 - 1,
        ("real", "index=0"): -2.5,
        ("real", "index=1"): math.inf,
        ("percpu",): (2**32 - 1) * possible_cpus(),
        ("by_color", "key=RED"): 10,
        ("by_color", "key=77"): 20,
        ("percpu_by_port", "key=53"): 2**63 * possible_cpus(),
    } == samples_of(families_of([metric(name) for name in names]))


@pytest.mark.parametrize(
    ("map_name", "kind", "reason"),
    [
        ("POINTERS", "gauge", "its values are pointers, not numbers"),
        ("UNTYPED", "gauge", "its values are bytes of unknown type, not numbers"),
        ("ONE", "histogram", "a histogram cannot be made of single numbers"),
        ("ONE", "summary", "a summary cannot be made of single numbers"),
        ("SIZES", "gauge", "reading a queue empties it"),
    ],
)
def test_what_is_left_out_says_why_in_its_help(metric, map_name, kind, reason):
    families = families_of([metric(map_name, kind, "left")])

    assert {} == samples_of(families)
    assert help_of(families, "left").startswith(f"Help. (left (ingress) is left out: {reason}")


def test_structs_make_a_label_for_each_field_and_a_family_for_each_number(maps_and_types, metric):
    maps_and_types.maps["BY_FLOW"].update(struct.pack("<II", 1, 2), struct.pack("<Q", 3))
    maps_and_types.maps["FLOWS"].update(struct.pack("<I", 9), struct.pack("<II", 4, 5))

    assert {
        ("by_flow", "a=1", "b=2"): 3,
        ("flows_a_total", "key=9"): 4,
        ("flows_b_total", "key=9"): 5,
    } == samples_of(families_of([metric("BY_FLOW"), metric("FLOWS", "counter", "flows_total")]))


def test_a_key_makes_room_for_a_constant_label_of_its_name(maps_and_types, metric):
    maps_and_types.maps["BY_COLOR"].update(struct.pack("<I", 1), struct.pack("<Q", 10))
    maps_and_types.maps["BY_COLOR"].update(struct.pack("<I", 77), struct.pack("<Q", 20))

    assert {
        ("by_color", "key=mine", "key_key=RED"): 10,
        ("by_color", "key=mine", "key_key=77"): 20,
    } == samples_of(families_of([metric("BY_COLOR", labels=[("key", "mine")])]))


def test_metrics_without_metadata_are_not_exported(maps_and_types):
    assert [] == families_of([maps_and_types.bind("ONE")])


def test_a_counter_below_zero_is_left_out_and_the_others_stay(maps_and_types, metric):
    for index, value in enumerate((-1, 0, 7)):
        maps_and_types.maps["SEVERAL"].update(struct.pack("<I", index), struct.pack("<i", value))
    families = families_of([metric("SEVERAL", "counter")])

    assert {("several_total", "index=1"): 0, ("several_total", "index=2"): 7} == samples_of(families)
    assert "1 of 3 samples are left out: a counter cannot be negative or NaN" in help_of(families, "several")


def test_a_name_in_both_directions_is_one_family_with_a_direction(maps_and_types, metric):
    maps_and_types.maps["ONE"].update(INDEX, struct.pack("<Q", 5))
    families = families_of(
        [
            metric("ONE", "counter", "packets", labels=[("who", "me")]),
            metric("WIDE", "gauge", "alone"),
            metric("ONE", "counter", "packets_total", Direction.EGRESS),
        ]
    )

    assert {
        ("packets_total", "direction=ingress", "who=me"): 5,
        ("packets_total", "direction=egress"): 5,
        ("alone",): 2**128 - 1,
    } == samples_of(families)


def test_for_many_cubes_every_sample_has_its_cube_and_direction(maps_and_types, metric):
    maps_and_types.maps["ONE"].update(INDEX, struct.pack("<Q", 5))
    families = [*families_of([metric("ONE")], cube="a"), *families_of([metric("ONE")], cube="b")]

    assert {
        ("one", "cube=a", "direction=ingress"): 5,
        ("one", "cube=b", "direction=ingress"): 5,
    } == samples_of(families)


def test_only_what_may_drain_drains(maps_and_types, metric):
    """A scrape leaves maps alone; it may be allowed to empty queues and stacks, which cannot be read otherwise."""
    emptying = {"extraction-options": {"empty-on-read": True}}
    maps_and_types.maps["EMPTY"].update(struct.pack("<I", 9), struct.pack("<Q", 3))
    maps_and_types.maps["SIZES"].update(b"", struct.pack("<I", 64))
    metrics = [metric("EMPTY", options=emptying), metric("SIZES")]

    assert {("empty", "key=9"): 3} == samples_of(families_of(metrics))
    assert {("empty", "key=9"): 3, ("sizes", "index=0"): 64} == samples_of(families_of(metrics, drain=True))
    assert {("empty", "key=9"): 3} == samples_of(families_of(metrics, drain=True))


def test_a_map_that_cannot_be_read_leaves_the_others_alone(maps_and_types, metric):
    """A map whose descriptor is gone fails; its neighbour is exported."""
    with lab("MAP(2, ONE, u32, u64, 1, 0);") as other:
        gone = other.bind("ONE", name="gone", **{"open-metrics-metadata": {"type": "gauge", "help": "Gone."}})
    families = families_of([gone, metric("FLAG")])

    assert {("flag",): 1} == samples_of(families)
    assert "its map could not be read" in help_of(families, "gone")
