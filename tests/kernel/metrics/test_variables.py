"""Global variables are read as metrics, one by one or a section at a time."""

import math
import struct

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dynmon.metrics import (
    BoundMetric,
    UnknownMap,
    UnknownVariable,
    UnreadableMap,
    families_of,
    read,
)
from dynmon.models import Direction, MetricConfig
from tests.expositions import exposed
from tests.kernel.metrics.lab import lab
from tests.support import needs
from tests.unit.btf.builder import BtfBuilder

pytestmark = [needs("kernel"), needs("clang")]
SOURCE = """
struct stats { u64 packets; u32 sizes[2]; };
enum color { RED, GREEN };
u64 packets;
static volatile u32 kept = 7;
static u32 folded = 5;
struct stats stats = { 1, { 2, 3 } };
u32 histogram[4] = { 5, 6, 7, 8 };
u16 alone[1] = { 9 };
u32 matrix[2][2];
enum color color = GREEN;
long offset = -3;
const volatile u32 limit = 9;
u32 elsewhere SEC(".data.custom") = 3;
MAP(2, ONE, u32, u64, 1, 0);
SEC("tc") int counter(void *ctx) { static volatile u64 inner = 11; return inner + kept + limit + folded; }
"""
USER = 'SEC("tc") int user(void *ctx) { return limit; }'
EMPTYING = {"extraction-options": {"empty-on-read": True}}
EVERYTHING = {
    "packets": 0,
    "kept": 7,
    "stats": {"packets": 1, "sizes": [2, 3]},
    "histogram": [5, 6, 7, 8],
    "alone": [9],
    "matrix": [[0, 0], [0, 0]],
    "color": "GREEN",
    "offset": -3,
    "elsewhere": 3,
    "counter.inner": 11,
}


@pytest.fixture(scope="module")
def variables():
    with lab(SOURCE) as maps_and_types:
        yield maps_and_types


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_variable_is_a_list_of_its_one_value(variables, name):
    assert [EVERYTHING[name]] == read(variables.bind_variable(name), drain=True).value


def test_a_variable_is_read_as_it_is_now(variables):
    section = variables.maps[".bss"]
    packets = variables.btf.variables["packets"]
    content = bytearray(section.value_stride)
    content[packets.offset : packets.offset + 8] = struct.pack("<Q", 1 << 40)
    section.update(bytes(4), bytes(content))

    assert [1 << 40] == read(variables.bind_variable("packets"), drain=False).value
    assert [[0, 1 << 8]] == read(variables.bind_variable("packets", type="u32[2]"), drain=False).value


def test_a_section_is_one_record(variables):
    value = read(variables.bind(".data"), drain=False).value

    expected = {"stats", "histogram", "alone", "color", "offset", "kept", "counter.inner"}
    assert [{name: EVERYTHING[name] for name in expected}] == value
    assert [{"elsewhere": 3}] == read(variables.bind(".data.custom"), drain=False).value


@pytest.mark.parametrize("options", [{"swap-on-read": True}, {"empty-on-read": True}])
def test_what_starts_with_values_is_never_emptied(options):
    """A section or a variable in it; .bss starts with zeros, and is."""
    with lab("u64 first = 1; u64 second;") as some:
        for bind, name in ((some.bind, ".data"), (some.bind_variable, "first")):
            with pytest.raises(UnreadableMap) as refusal:
                bind(name, **{"extraction-options": options})

            assert f"{next(iter(options))}: variables in .data start with values" in refusal.value.reason
            assert "leave the variable uninitialised, so that it is in .bss" in refusal.value.reason
        assert some.bind(".bss", **{"extraction-options": options}).swaps
        assert some.bind_variable("second", **{"extraction-options": options}).swaps


def test_constants_are_read_where_they_are_wanted_but_never_emptied():
    with lab("const volatile u32 limit = 9; MAP(2, ONE, u32, u64, 1, 0);\n" + USER, wanted={".rodata"}) as some:
        assert [9] == read(some.bind_variable("limit"), drain=True).value
        assert [{"limit": 9}] == read(some.bind(".rodata"), drain=True).value
        with pytest.raises(UnreadableMap, match="empty-on-read would set it to zero, but it is constant"):
            some.bind(".rodata", **EMPTYING)


def test_a_constant_that_nobody_asked_for_is_not_there(variables):
    with pytest.raises(UnreadableMap) as refusal:
        variables.bind_variable("limit")

    assert "'.rodata' was not kept when the code was loaded: constants were not asked for" == refusal.value.reason


def test_an_unknown_variable_is_named_with_those_there_are(variables):
    with pytest.raises(UnknownVariable) as refusal:
        variables.bind_variable("folded")

    declared = sorted({*EVERYTHING, "limit"})
    message = f"variable 'folded' is not among the global variables of the ingress code; it has: {', '.join(declared)}"
    assert f"metric 'm': {message}" == str(refusal.value)
    assert "a variable that the compiler could fold away is not in the object: make it volatile, or not static" == (
        refusal.value.hint
    )
    assert ("folded", declared) == (refusal.value.fields()["variable"], refusal.value.fields()["declared"])


def test_a_name_of_the_other_kind_says_so(variables):
    """A variable where a map is to be named, and a map where a variable is."""
    with pytest.raises(UnknownMap) as no_map:
        variables.bind("kept")
    with pytest.raises(UnknownVariable) as no_variable:
        variables.bind_variable("ONE")

    assert "it is a global variable: name it with variable in place of map-name" == no_map.value.hint
    assert "it is a map: name it with map-name in place of variable" == no_variable.value.hint


def test_a_section_that_is_not_there_is_named_with_those_that_are():
    with lab("u64 first;") as some, pytest.raises(UnknownMap) as refusal:
        some.bind(".data")

    assert "map '.data' is not declared by the ingress code; it declares: .bss" in str(refusal.value)


def test_variables_make_samples(variables):
    """A number makes one, an array of numbers one for each place, a struct one for each number in it."""
    metadata = {"type": "gauge", "help": "Help."}
    metrics = [
        variables.bind_variable(name, name=name, **{"open-metrics-metadata": metadata})
        for name in ("kept", "histogram", "alone", "color", "offset", "stats", "matrix")
    ]

    families = list(text_string_to_metric_families(exposed(families_of(metrics, drain=True))))

    assert {
        ("kept", ""): 7,
        ("histogram", "0"): 5,
        ("histogram", "1"): 6,
        ("histogram", "2"): 7,
        ("histogram", "3"): 8,
        ("alone", ""): 9,
        ("color", ""): 1,
        ("offset", ""): -3,
        ("stats_packets", ""): 1,
    } == {(item.name, item.labels.get("index", "")): item.value for family in families for item in family.samples}
    documentation = {family.name: family.documentation for family in families}
    assert "Help: packets" == documentation["stats_packets"].partition(" (")[0]
    assert "its values are arrays, not numbers" in documentation["matrix"]
    assert not any(math.isnan(item.value) for family in families for item in family.samples)


def test_types_that_the_kernel_refuses_leave_variables_without_a_place():
    """A small enum that ends a struct with bit-fields makes Linux 6.18 refuse all; the object's own have no places."""
    with lab("""
    enum __attribute__((packed)) state { CLOSED, OPEN };
    struct socket { u32 port : 17; u32 flag : 1; enum state state; } __attribute__((packed));
    u64 first = 1; struct socket second = { 2 };
    """) as some:
        for bind in (lambda: some.bind_variable("first"), lambda: some.bind(".data")):
            with pytest.raises(UnreadableMap, match=r"in its section it lies|where its variables lie"):
                bind()


def test_a_variable_outside_of_its_section_is_refused():
    """Types that the kernel refused are as a stranger wrote them."""
    build = BtfBuilder()
    u64 = build.integer("u64", 8)
    build.section(".bss", [build.variable("first", u64), build.variable("second", u64)])
    config = MetricConfig.model_validate({"name": "m", "variable": "second"})

    with lab("u64 first;") as some, pytest.raises(UnreadableMap, match="place it outside of its section"):
        BoundMetric.bind(config, Direction.INGRESS, some.maps, build.btf())
