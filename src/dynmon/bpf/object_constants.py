"""Write load-time constants into the read-only data of an opened object, before the verifier sees it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

from dynmon.bpf import _libbpf
from dynmon.bpf.elf import Symbol
from dynmon.bpf.object_maps import Map
from dynmon.bpf.opening import Parsed
from dynmon.bpf.refusals import Refusal

READ_ONLY = ".rodata"
OWN_PREFIX = "dynmon_"


def set_constants(maps: Sequence[Map], parsed: Parsed, constants: Mapping[str, int | bytes]) -> None:
    """Numbers are the dialect's own, of whatever width, and ignored where the object does not have them.

    Raises:
        Refusal: Bytes are given for what is no constant, or as many as it does not have.
    """
    homes = {each.name: each for each in maps if each.name.startswith(READ_ONLY)}
    for name, value in constants.items():
        symbol = parsed.elf.symbol(name)
        home = homes.get(parsed.elf.section_name(symbol)) if symbol else None
        if symbol and home:
            _write(home, symbol, _content(symbol, value))
        elif isinstance(value, bytes):
            known = ", ".join(_names(parsed)) or "none"
            raise Refusal("open", f"it has no constant {name!r}, a const volatile global; it has: {known}")


def _content(symbol: Symbol, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        if len(value) != symbol.size:
            raise Refusal("open", f"the constant {symbol.name!r} has {symbol.size} bytes, not {len(value)}")
        return value
    if symbol.size not in (1, 2, 4, 8):
        raise Refusal("open", f"the constant {symbol.name!r} is not an integer")
    return (value & ((1 << 8 * symbol.size) - 1)).to_bytes(symbol.size, "little")


def _write(home: Map, symbol: Symbol, content: bytes) -> None:
    size = ctypes.c_size_t()
    start = _libbpf.map_initial_value(home.handle, ctypes.byref(size))
    if symbol.value + len(content) > size.value:
        raise Refusal("open", f"the constant {symbol.name!r} is not within its section")
    ctypes.memmove(start + symbol.value, content, len(content))


def _names(parsed: Parsed) -> list[str]:
    """What can be set: clang has put the value of a constant that is not volatile into the code already."""
    return sorted(
        name
        for name, each in parsed.variables.items()
        if each.section.startswith(READ_ONLY) and each.is_volatile and not name.startswith(OWN_PREFIX)
    )
