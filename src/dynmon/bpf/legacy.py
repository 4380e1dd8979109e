"""Maps declared in ways that libbpf has given up: ``SEC("maps")``, libbpf's own before 1.0 and iproute2's.

Both begin with the same five numbers, so that we can tell how the same map is declared today.
"""

from __future__ import annotations

import struct

from dynmon.bpf.elf import STT_SECTION, Elf, Symbol
from dynmon.bpf.kinds import MapType
from dynmon.bpf.refusals import Refusal

DEFINITION = struct.Struct("<5I")  # type, bytes of a key and of a value, entries, flags
IPROUTE2 = struct.Struct("<9I")  # and then: id, pinning, id and index of what is inside
PIN_GLOBALLY = 2


def refuse_legacy_maps(elf: Elf) -> None:
    """Refuse an object with legacy maps.

    Raises:
        Refusal: It has one; the hint is its declaration in today's words.
    """
    for symbol in elf.symbols:
        section = elf.section_name(symbol)
        if symbol.section and symbol.kind != STT_SECTION and (section == "maps" or section.startswith("maps/")):
            whose = "struct bpf_elf_map of iproute2" if symbol.size == IPROUTE2.size else "struct bpf_map_def"
            raise Refusal(
                "open",
                f"map {symbol.name!r} is a legacy map definition ({whose} in SEC({section!r})), "
                "which libbpf 1.0 and later do not support",
                _declaration(symbol, elf.sections[symbol.section].content[symbol.value :][: symbol.size]),
            )


def _declaration(symbol: Symbol, content: bytes) -> str:
    kind, key, value, entries, flags = DEFINITION.unpack(content[: DEFINITION.size].ljust(DEFINITION.size, b"\0"))
    name = MapType(kind).name if kind in list(MapType) else str(kind)
    members = [("type", f"BPF_MAP_TYPE_{name}"), ("key_size", key), ("value_size", value), ("max_entries", entries)]
    if flags:
        members.append(("map_flags", f"{flags:#x}"))
    if len(content) == IPROUTE2.size and IPROUTE2.unpack(content)[6] == PIN_GLOBALLY:
        members.append(("pinning", "LIBBPF_PIN_BY_NAME"))
    text = " ".join(f"__uint({member}, {number});" for member, number in members)
    return f'declare it as: struct {{ {text} }} {symbol.name} SEC(".maps"); and recompile'
