"""The name of a C type → the plan for its values: for maps whose object does not tell their types."""

from __future__ import annotations

import re

from dynmon.btf import types as t
from dynmon.btf.object import Btf
from dynmon.btf.planner import MAX_LEAVES, UndecodableType, plan_for
from dynmon.btf.plans import Boolean, Floating, Integer, Plan, Repeated

SPELLED = re.compile(r"(?P<name>[A-Za-z_]\w*(?: [A-Za-z_]\w*)*) ?(?P<dimensions>(?:\[[0-9]{1,10}\] ?)*)")
TAGGED = {"struct": False, "union": True}
CHAR = Integer(1, is_signed=True, is_char=True)
POSSIBLE = "u8 to u64, s8 to s64, be16 to be64, char, bool, int, long, float, double, arrays of these such as char[16]"


def _numbers() -> dict[str, Plan]:
    found: dict[str, Plan] = {
        "char": CHAR,
        "signed char": Integer(1, True),
        "float": Floating(4),
        "double": Floating(8),
    }
    for bits in (8, 16, 32, 64, 128):
        for is_signed, short, long in ((False, "u", "uint"), (True, "s", "int")):
            number = Integer(bits // 8, is_signed)
            names = (f"{short}{bits}", f"__{short}{bits}", f"{long}{bits}_t")
            found |= dict.fromkeys(names if bits < 128 else names[:2], number)
    for bits in (16, 32, 64):
        found[f"be{bits}"] = Integer(bits // 8, is_signed=False, is_big_endian=True)
    words = {"short": 2, "int": 4, "long": 8, "long long": 8}
    for word, size in words.items():
        for name in (word, f"{word} int") if word != "int" else (word,):
            found |= {name: Integer(size, True), f"signed {name}": Integer(size, True)}
            found[f"unsigned {name}"] = Integer(size, False)
    found |= {"unsigned": Integer(4, False), "signed": Integer(4, True), "unsigned char": Integer(1, False)}
    found |= {"__int128": Integer(16, True), "unsigned __int128": Integer(16, False)}
    return found | dict.fromkeys(("bool", "_Bool"), Boolean(1, Integer(1, False)))


NUMBERS = _numbers()


def type_named(btf: Btf, text: str) -> Plan:
    """The plan for a type by its name, such as ``u64``, ``char[16]`` or ``struct flow``.

    Names that C has by itself or by habit are always known; structs, unions, enums and other typedefs are those of
    `btf`. ``be16`` to ``be64`` are numbers in network byte order.

    Raises:
        UndecodableType: There is no such type, or it has no values.
    """
    spelled = SPELLED.fullmatch(" ".join(text.split()))
    if spelled is None:
        raise UndecodableType(text, f"it is not the name of a type; possible are {POSSIBLE}, struct NAME, and typedefs")
    plan = _named(btf, spelled["name"])
    for count in reversed(re.findall("[0-9]+", spelled["dimensions"])):
        plan = _repeated(text, plan, int(count))
    return plan


def _named(btf: Btf, name: str) -> Plan:
    if name in NUMBERS:
        return NUMBERS[name]
    word, _, rest = name.partition(" ")
    for type_id, btf_type in enumerate(btf.types):
        if _has_name(btf_type, word, rest):
            return plan_for(btf, type_id)
    raise UndecodableType(name, f"the code has no such type; {_there_are(btf, word)}possible are {POSSIBLE}")


def _has_name(btf_type: t.BtfType, word: str, rest: str) -> bool:
    """Whether a type is called ``struct flow``, say, or, where there is no second word, is a typedef of that name."""
    match btf_type:
        case t.Composite():
            return rest == btf_type.name and TAGGED.get(word) is btf_type.is_union
        case t.Enum():
            return rest == btf_type.name and word == "enum"
        case t.Alias(word="typedef"):
            return not rest and word == btf_type.name
    return False


def _there_are(btf: Btf, word: str) -> str:
    names = sorted(
        btf_type.name
        for btf_type in btf.types
        if isinstance(btf_type, t.Composite | t.Enum) and btf_type.name and _has_name(btf_type, word, btf_type.name)
    )
    return f"it has {word} {', '.join(names)}; " if names else ""


def _repeated(text: str, element: Plan, count: int) -> Repeated:
    leaves = max(1, element.leaves * count)
    if leaves > MAX_LEAVES:
        raise UndecodableType(text, f"one value of it has more than {MAX_LEAVES} parts")
    return Repeated(element.size * count, element, count, leaves=leaves)
