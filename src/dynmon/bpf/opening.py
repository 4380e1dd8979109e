"""Open an object in libbpf, after a look of our own at what it is: the first step of all that the child does."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dynmon.bpf import _libbpf
from dynmon.bpf.btf_repair import repaired
from dynmon.bpf.elf import STB_WEAK, Elf
from dynmon.bpf.kconfig import kconfig_text
from dynmon.bpf.legacy import refuse_legacy_maps
from dynmon.bpf.reach import MAPS, Code, static_values
from dynmon.bpf.refusals import Refusal, refusal_of
from dynmon.bpf.trimming import trim, with_btf, without_struct_ops
from dynmon.bpf.variables import Variable, variables_of

# The daemon reads all types of an object: two seconds for as much as this, and no object found in the wild has a fifth.
MOST_BTF_BYTES = 4 << 20


@dataclass(frozen=True)
class Parsed:
    """An object as we read it ourselves; `inside` is what its maps have in them from the start."""

    raw: bytes
    elf: Elf
    code: Code
    btf: bytes
    variables: Mapping[str, Variable]
    inside: Mapping[str, Sequence[str]]

    @classmethod
    def parse(cls, raw: bytes) -> Parsed:
        """Read an object.

        Raises:
            Refusal: It is no BPF object, or one of another time.
        """
        try:
            elf = Elf.parse(raw)
            refuse_legacy_maps(elf)
            section = elf.section(".BTF")
            if section is None and elf.section(MAPS) is not None:
                raise Refusal("open", "it has maps but no BTF, which describes them", "compile it with -g")
            if section and len(section.content) > MOST_BTF_BYTES:
                size = f"{len(section.content) / (1 << 20):.1f} MiB"
                raise Refusal("open", f"its BTF has {size}, {MOST_BTF_BYTES >> 20} MiB are allowed")
            btf = repaired(section.content, elf) if section else b""
            raw = without_struct_ops(with_btf(raw, elf, btf), elf)
            return cls(raw, elf, Code(elf), btf, variables_of(btf), static_values(elf))
        except ValueError as error:
            raise Refusal("open", str(error)) from error

    @cached_property
    def strong_externs(self) -> set[str]:
        """What it needs from the kernel and cannot do without."""
        return {each.name for each in self.elf.symbols if not each.section and each.information >> 4 != STB_WEAK}

    def programs_in(self, array: str) -> tuple[str, ...]:
        """The programs that the declaration of a map puts into it."""
        return tuple(name for name in self.inside.get(array, ()) if self.code.function(name))


def open_parsed(parsed: Parsed, externs: Collection[str], arrays: Collection[str], messages: Sequence[str]) -> int:
    """A libbpf object in which these `externs` are resolved and these prog `arrays` filled.

    Raises:
        Refusal: libbpf does not want it; or the kernel has no such option.
    """
    try:
        raw = trim(parsed.raw, parsed.elf, externs, arrays)
    except ValueError as error:
        raise Refusal("open", str(error)) from error
    config = kconfig_text(parsed.variables, sorted(parsed.strong_externs.intersection(externs)))
    options = _libbpf.ObjectOpenOptions(
        sz=ctypes.sizeof(_libbpf.ObjectOpenOptions), object_name=b"dynmon", kconfig=config or None
    )
    try:
        return int(_libbpf.object_open_mem(raw, len(raw), ctypes.byref(options)))
    except OSError as error:
        raise refusal_of("open", error, messages) from error


def each_of(successor: Any, handle: int) -> Iterator[int]:
    """The programs or the maps of an object; `successor` is libbpf's function that goes from one to the next."""
    item = successor(handle, None)
    while item:
        yield item
        item = successor(handle, item)
