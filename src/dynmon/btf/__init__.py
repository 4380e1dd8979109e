"""Types out of BTF, and plans that decode their values by columns; pure: no kernel, no libbpf, no root."""

from dynmon.btf.encode import UnencodableValue, encode, encode_by_plan, encode_untyped
from dynmon.btf.leaves import Leaf, leaves, leaves_of
from dynmon.btf.names import type_named
from dynmon.btf.object import Btf, GlobalVariable, MapTypes
from dynmon.btf.parse import InvalidBtf
from dynmon.btf.planner import UndecodableType, plan_for
from dynmon.btf.plans import Hexadecimal, Integer, Plan, Record, Repeated, Rows

__all__ = [
    "Btf",
    "GlobalVariable",
    "Hexadecimal",
    "Integer",
    "InvalidBtf",
    "Leaf",
    "MapTypes",
    "Plan",
    "Record",
    "Repeated",
    "Rows",
    "UndecodableType",
    "UnencodableValue",
    "encode",
    "encode_by_plan",
    "encode_untyped",
    "leaves",
    "leaves_of",
    "plan_for",
    "type_named",
]
