"""A type is found by the name that C has for it."""

import numpy as np
import pytest

from dynmon.btf import Btf, UndecodableType, type_named
from tests.unit.btf.builder import BtfBuilder

NOTHING = Btf.parse(b"")


def decoded(name, raw, btf=NOTHING):
    plan = type_named(btf, name)
    assert plan.size == len(raw)
    return plan.decode(np.frombuffer(raw, np.uint8).reshape(1, -1))[0]


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("u8", b"\xff", 255),
        ("__s8", b"\xff", -1),
        ("char", b"\xff", -1),
        ("uint16_t", b"\1\2", 0x0201),
        ("be16", b"\1\2", 0x0102),
        ("be64", b"\0\0\0\0\0\0\1\0", 256),
        ("int", b"\xff" * 4, -1),
        ("unsigned int", b"\xff" * 4, 2**32 - 1),
        (" unsigned  long ", b"\xff" * 8, 2**64 - 1),
        ("long long", b"\xff" * 8, -1),
        ("__int128", b"\xff" * 16, -1),
        ("bool", b"\7", True),
        ("double", b"\0\0\0\0\0\0\xf0\x3f", 1.0),
        ("char[3]", b"ab\0", [97, 98, 0]),
        ("u16 [2][1]", b"\1\0\2\0", [[1], [2]]),
        ("be32[1]", b"\0\0\0\1", [1]),
    ],
)
def test_names_that_c_has_by_itself_or_by_habit(name, raw, value):
    assert value == decoded(name, raw)


def test_names_that_the_code_has():
    build = BtfBuilder()
    u32 = build.integer("unsigned int", 4)
    build.structure("flow", 4, [("port", u32, 0)])
    build.union("flow", 4, [("word", u32, 0)])
    build.enum("color", 4, [("RED", 1)])
    build.typedef("flow", u32)
    btf = build.btf()

    for name, value in {
        "struct flow": {"port": 1},
        "union flow": {"word": 1},
        "enum color": "RED",
        "flow": 1,
        "struct flow[1]": [{"port": 1}],
    }.items():
        assert value == decoded(name, b"\1\0\0\0", btf)
    with pytest.raises(
        UndecodableType, match="'struct flw' cannot be decoded: the code has no such type; it has struct f"
    ):
        type_named(btf, "struct flw")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("u63", "the code has no such type; possible are u8 to u64"),
        ("struct", "the code has no such type"),
        ("u8[", "it is not the name of a type"),
        ("u8[-1]", "it is not the name of a type"),
        ("u8*", "it is not the name of a type"),
        ("", "it is not the name of a type"),
        ("u8[2000000]", "more than 1048576 parts"),
        ("u8[0][99999999][99999999]", "more than 1048576 parts"),
    ],
)
def test_names_of_nothing(name, reason):
    with pytest.raises(UndecodableType, match=reason):
        type_named(NOTHING, name)
