"""Types out of BTF, and plans that decode their values by columns; pure: no kernel, no libbpf, no root."""

from dynmon.btf.encode import UnencodableValue, encode, encode_by_plan, encode_untyped
from dynmon.btf.leaves import Leaf, leaves, leaves_of
from dynmon.btf.names import type_named
from dynmon.btf.object import Btf, GlobalVariable, MapTypes
from dynmon.btf.parse import InvalidBtf
from dynmon.btf.planner import UndecodableType, plan_for
from dynmon.btf.plans import Hexadecimal, Integer, MapId, Plan, Record, Repeated, Rows
from dynmon.btf.prefixes import Prefix, mask_prefixes, prefix_plan

__all__ = [
    "Btf",
    "GlobalVariable",
    "Hexadecimal",
    "Integer",
    "InvalidBtf",
    "Leaf",
    "MapId",
    "MapTypes",
    "Plan",
    "Prefix",
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
    "mask_prefixes",
    "plan_for",
    "prefix_plan",
    "type_named",
]
