"""Maps in the verifier's logs of kernels that do not name them."""

from __future__ import annotations

import pytest

from dynmon.bpf.map_names import with_map_names

NAMES = {(4, 8): "flows", (4, 64): ".bss"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("R1_w=map_ptr(off=0,ks=4,vs=8,imm=0)", "R1_w=map_ptr(off=0,map=flows,ks=4,vs=8,imm=0)"),
        (
            "R0=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) R1=map_value(off=0,ks=4,vs=64,umax=3,var_off=(0x0; 0x3))",
            "R0=map_value_or_null(id=1,off=0,map=flows,ks=4,vs=8,imm=0) "
            "R1=map_value(off=0,map=.bss,ks=4,vs=64,umax=3,var_off=(0x0; 0x3))",
        ),
    ],
)
def test_a_map_is_named_by_its_sizes(before: str, after: str) -> None:
    assert after.encode() == with_map_names(before.encode(), NAMES)


@pytest.mark.parametrize(
    "log",
    [
        "R0=map_value(off=0,ks=8,vs=8,imm=0)",
        "R0=map_value(map=other,ks=4,vs=8)",
        "R0=map_value_or_null(id=1,map=other,ks=4,vs=8) R1=scalar()",
        "; map_ptr = ks; invalid access to map value, value_size=8 off=8 size=8",
    ],
)
def test_what_is_unknown_or_named_stays(log: str) -> None:
    assert log.encode() == with_map_names(log.encode(), NAMES)
