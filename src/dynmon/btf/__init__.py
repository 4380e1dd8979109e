"""Types out of BTF, and plans that decode their values by columns; pure: no kernel, no libbpf, no root."""

from dynmon.btf.encode import UnencodableValue, encode, encode_by_plan, encode_untyped
from dynmon.btf.object import Btf, GlobalVariable, MapTypes
from dynmon.btf.parse import InvalidBtf
from dynmon.btf.planner import UndecodableType, plan_for
from dynmon.btf.plans import Hexadecimal, Integer, Plan, Rows

__all__ = [
    "Btf",
    "GlobalVariable",
    "Hexadecimal",
    "Integer",
    "InvalidBtf",
    "MapTypes",
    "Plan",
    "Rows",
    "UndecodableType",
    "UnencodableValue",
    "encode",
    "encode_by_plan",
    "encode_untyped",
    "plan_for",
]
