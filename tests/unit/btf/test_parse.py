"""Raw BTF is read whole or refused."""

import struct
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynmon.btf import Btf, InvalidBtf, MapTypes, UndecodableType, plan_for
from dynmon.btf import types as t
from tests.unit.btf.builder import SIGNED, BtfBuilder


def everything():
    """One type of each kind."""
    build = BtfBuilder()
    u32 = build.integer("unsigned int", 4)
    pair = build.structure("pair", 8, [("a", u32, 0), ("b", u32, 32)])
    build.union("either", 4, [("a", u32, 0)])
    pointer = build.pointer(pair)
    five = build.array(u32, 5)
    build.enum("color", 4, [("RED", 0), ("BLUE", -1)])
    build.enum64("wide", 8, [("HUGE", 1 << 40)])
    build.add(7, "later", flag=True)
    build.typedef("u32", u32)
    for kind in (9, 10, 11, 18):
        build.add(kind, size_or_type=u32)
    prototype = build.add(13, size_or_type=u32, count=1, tail=struct.pack("<II", build.name("arg"), u32))
    build.add(12, "run", prototype, count=1)
    build.floating("double", 8)
    declared = build.structure(
        "", 32, [("key", pointer, 0), ("value", build.pointer(u32), 64), ("max_entries", build.pointer(five), 128)]
    )
    variable = build.variable("FLOWS", declared)
    build.section(".maps", [variable])
    build.decl_tag("dynmon:shared", variable)
    build.decl_tag("ipv4", pair, 1)
    return build, pair


def test_every_kind_is_read():
    """A type of each of the 19 kinds comes out as it went in."""
    build, pair = everything()
    btf = build.btf()

    assert build.count == len(btf) - 1
    assert btf[pair] == t.Composite("pair", 8, False, (t.Member("a", 1, 0, None), t.Member("b", 1, 32, None)))
    assert btf[btf.find("color", t.Enum)].enumerators == (("RED", 0), ("BLUE", -1))
    assert btf[btf.find("wide", t.Enum)].enumerators == (("HUGE", 1 << 40),)
    assert btf[btf.find("later", t.Forward)].is_union
    assert btf[btf.find("run", t.Function)].linkage == 1
    assert btf.describe(pair) == "struct pair"


def test_types_are_called_as_in_c():
    build = BtfBuilder()
    u32 = build.integer("unsigned int", 4)
    number = build.typedef("__u32", u32)
    constant = build.add(10, "", number)
    matrix = build.array(build.array(constant, 3), 2)
    pointers = build.array(build.pointer(build.pointer(build.structure("s", 0, []))), 4)
    btf = build.btf()

    assert ["__u32", "__u32", "__u32[2][3]", "struct s **[4]", "void"] == [
        btf.describe(type_id) for type_id in (number, constant, matrix, pointers, 0)
    ]


def test_a_map_is_found_with_its_types():
    """What ``.maps`` says of a map is there by the map's name."""
    build, pair = everything()

    assert {"FLOWS": MapTypes(pair, 1)} == build.btf().map_types


def test_a_map_of_maps_is_found_with_the_types_of_those_inside():
    """In libbpf's way, as pointers to a declaration, and in the dialect's, as a tag with the name of another map."""
    build = BtfBuilder()
    u64, u8 = build.integer("u64", 8), build.integer("u8", 1)
    inner = build.structure("inner", 16, [("key", build.pointer(u8), 0), ("value", build.pointer(u64), 64)])
    pointers = build.array(build.pointer(inner), 0)
    libbpf = build.structure("", 16, [("key", build.pointer(u64), 0), ("values", pointers, 64)])
    jumps = build.structure("", 16, [("values", build.array(build.pointer(build.add(13)), 2), 64)])
    dialect = build.structure("", 8, [("key", build.pointer(u64), 0)])
    variables = [
        build.variable(name, type_id)
        for name, type_id in {"A": libbpf, "B": jumps, "C": dialect, "D": dialect, "INNER": inner}.items()
    ]
    build.section(".maps", variables)
    build.decl_tag("dynmon:hash_of_maps$INNER", variables[2])
    build.decl_tag("dynmon:array_of_maps$ELSEWHERE", variables[3])

    types = MapTypes(u8, u64)
    assert {
        "A": MapTypes(u64, 0, types),
        "B": MapTypes(0, 0),
        "C": MapTypes(u64, 0, types),
        "D": MapTypes(u64, 0),
        "INNER": types,
    } == build.btf().map_types


def test_btf_without_maps_has_none():
    assert BtfBuilder().btf().map_types == {}


def test_no_bytes_are_no_types():
    assert 1 == len(Btf.parse(b""))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x9f\xeb", "less than a header"),
        (b"\x7fELF" + bytes(40), "are not BTF's"),
        (struct.pack(">HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 1) + b"\0", "big-endian"),
        (struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 9) + b"\0", "beyond the end"),
        (struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 1) + b"x", "NUL"),
        (struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 4000, 0, 0, 0, 1) + b"\0", "header cannot"),
    ],
)
def test_what_is_not_btf_is_refused(raw, reason):
    with pytest.raises(InvalidBtf, match=reason):
        Btf.parse(raw)


@pytest.mark.parametrize(
    ("add", "reason"),
    [
        (lambda build: build.add(31), "kind 31"),
        (lambda build: build.pointer(7), "refers to type 7"),
        (lambda build: build.add(4, "s", 4, 65535), "cut off"),
        (lambda build: build.integer("int", 3), "3 bytes"),
        (lambda build: build.integer("int", 4, bits=33), "33 bits"),
        (lambda build: build.enum("e", 3, []), "3 bytes"),
    ],
)
def test_a_wrong_record_is_refused_with_its_id(add, reason):
    build = BtfBuilder()
    add(build)

    with pytest.raises(InvalidBtf, match=reason) as refusal:
        build.btf()

    assert 1 == refusal.value.fields()["type-id"]


@pytest.mark.parametrize("offset", [2, 999])
def test_a_name_that_starts_nowhere_is_refused(offset):
    build = BtfBuilder()
    build.name("int")
    build.records += struct.pack("<III", offset, 2 << 24, 0)

    with pytest.raises(InvalidBtf, match=f"no name starts at {offset}"):
        build.btf()


def test_maps_that_share_a_long_declaration_cost_no_more_than_one():
    """Two thousand maps of two thousand members."""
    build = BtfBuilder()
    declared = build.structure("", 8, [("key", 0, 0)] * 2000)
    build.section(".maps", [build.variable(f"m{number}", declared) for number in range(2000)])
    btf = build.btf()

    started = time.process_time()
    assert 2000 == len(btf.map_types)
    assert time.process_time() - started < 1


def test_typedefs_without_end_are_refused():
    build = BtfBuilder()
    build.section(".maps", [build.variable("m", build.typedef("t", 1))])

    with pytest.raises(InvalidBtf, match="type 1: it has more than 64 names"):
        build.btf().map_types  # noqa: B018


@given(st.data())
def test_changed_bytes_are_refused_or_decoded_never_worse(data):
    """Whatever bytes are changed: types and plans, or an error of ours."""
    raw = bytearray(everything()[0].raw())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        btf = Btf.parse(bytes(raw))
    except InvalidBtf:
        return
    with suppress(InvalidBtf):
        assert len(btf.map_types) < len(btf)
    for type_id in range(len(btf)):
        with suppress(UndecodableType, InvalidBtf):
            assert plan_for(btf, type_id).leaves <= 1 << 20


def test_signs_of_integers_survive():
    build = BtfBuilder()
    build.integer("int", 4, SIGNED)

    assert build.btf()[1].is_signed
