"""What we decode is what bpftool decodes, for types that nobody thought of.

bpftool 7.1 writes some things in its own way, and this is all that `agrees` forgives:

- 128-bit integers and all bit-fields are hexadecimal strings, unsigned: those of signed types lack their sign, those
  of booleans and enums their words;
- an anonymous member is an object under the key ``""``, where ours has its members among the parent's;
- one ``char`` is text where it can be printed and ``"\\xNN"`` where not; chars that end with NUL are a string;
- an enum's value is signed, whatever the enum, and has no name where that makes it another number;
- floats are not printed at all, so generated types have none.
"""

import random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dynmon.btf import encode
from dynmon.metrics import read
from tests.kernel.metrics.generated_types import DECLARATIONS, ENUMERATORS, struct_definitions
from tests.kernel.metrics.lab import bpftool_dump, lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang"), needs("bpftool")]
TYPES_AT_ONCE = 6
ENTRIES = 4
ARRAY = 2


@settings(
    max_examples=20,
    phases=[
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ],  # the assertion names the type; making it smaller takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    definitions=st.tuples(*(struct_definitions(f"t{number}") for number in range(TYPES_AT_ONCE))),
    seed=st.integers(0, 2**32),
)
def test_decoding_agrees_with_bpftool(definitions, seed):
    """Arrays of six made-up structs, filled with zeros, ones and random bytes; what we encode is decoded the same."""
    maps = [f"MAP({ARRAY}, map{number}, int, struct t{number}, {ENTRIES}, 0);" for number in range(TYPES_AT_ONCE)]
    chance = random.Random(seed)
    with lab("\n".join([DECLARATIONS, *definitions, *maps])) as maps_and_types:
        for number, definition in enumerate(definitions):
            bpf_map = maps_and_types.maps[f"map{number}"]
            fill(bpf_map, chance)
            ours = read(maps_and_types.bind(f"map{number}"), drain=False).value
            theirs = [dict(dict(entry)["formatted"])["value"] for entry in bpftool_dump(bpf_map)]
            assert ENTRIES == len(ours) == len(theirs)
            for our_value, their_value in zip(ours, theirs, strict=True):
                assert agrees(our_value, their_value), f"{definition}\nours:   {our_value}\ntheirs: {their_value}"
            give_back(maps_and_types, f"map{number}", ours)
            assert ours == read(maps_and_types.bind(f"map{number}"), drain=False).value, definition


def fill(bpf_map, chance):
    """Values with nothing, everything and anything set; booleans, any bits at all, come out as bpftool's do."""
    size = bpf_map.info.value_size
    values = [bytes(size), b"\xff" * size, bytes(chance.choices(range(8), k=size)), chance.randbytes(size)]
    for index, value in enumerate(values):
        bpf_map.update(index.to_bytes(4, "little"), value)


def give_back(maps_and_types, name, values):
    """Write what was read over zeros: padding, which nobody sees, is lost, nothing else."""
    type_id = maps_and_types.btf.map_types[name].value_type_id
    for index, value in enumerate(values):
        maps_and_types.maps[name].update(index.to_bytes(4, "little"), encode(maps_and_types.btf, type_id, value))


def agrees(ours, theirs, name=""):
    """Whether our value says the same as bpftool's."""
    if isinstance(ours, dict):
        members = flattened(theirs)
        return list(ours) == [name for name, _ in members] and all(
            agrees(ours[name], value, name) for name, value in members
        )
    if isinstance(ours, list):
        return same_text(ours, theirs) or (
            isinstance(theirs, list)
            and len(ours) == len(theirs)
            and all(agrees(our, their, name) for our, their in zip(ours, theirs, strict=True))
        )
    return same_scalar(ours, theirs, is_enum=name.startswith("e"))


def flattened(pairs):
    """An object's members, those of anonymous ones in their place."""
    members = []
    for name, value in pairs:
        members += [(name, value)] if name else flattened(value)
    return members


def same_text(ours, theirs):
    """Our list of chars is their string, which ends before its first NUL."""
    return isinstance(theirs, str) and bytes(char % 256 for char in ours).split(b"\0")[0] == theirs.encode("latin-1")


def same_scalar(ours, theirs, *, is_enum):
    """Equal, or the same bits under one of bpftool's names for them."""
    if isinstance(theirs, str) and theirs.startswith("0x"):
        return same_bits(ENUMERATORS.get(ours, ours), int(theirs, 16))
    if isinstance(theirs, str) and isinstance(ours, int):
        code = int(theirs[2:], 16) if theirs.startswith("\\x") else ord(theirs)
        return ours % 256 == code % 256
    if is_enum and isinstance(theirs, int):
        return same_bits(theirs, ENUMERATORS.get(ours, ours))
    return ours == theirs and type(ours) is type(theirs)


def same_bits(signed, unsigned):
    """Equal, or a negative number and the same bits without a sign."""
    difference = unsigned - signed
    return difference == 0 or (signed < 0 and difference.bit_count() == 1)
