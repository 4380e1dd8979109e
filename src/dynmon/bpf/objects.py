"""Open one object with libbpf, prepare it, load it: what the loader's child does with a stranger's bytes.

Each refusal is a `Refusal` with the stage it belongs to; the daemon makes the error of it.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynmon.bpf import _libbpf, _syscall
from dynmon.bpf.elf import Elf
from dynmon.bpf.kinds import MapType
from dynmon.bpf.memory import map_memory
from dynmon.bpf.source_lines import source_lines, variable_tags

# Linux up to 5.1 takes no larger log buffer; untouched pages cost nothing.
LOG_BYTES = (16 << 20) - 1
LOG_TAIL_BYTES = 256 << 10

TAG_PREFIX = "dynmon:"
PREDEFINED = "dynmon:predefined"
EXTERN = "dynmon:extern"
# The macros leave where a map is pinned, and which map is the pattern of a map's inner maps.
PINNED = re.compile(r"dynmon:[a-z_]+:(.*)")
INNER = re.compile(r"dynmon:(?:array|hash)_of_maps\$(\w+)")
INNER_REFERENCE_BYTES = 4
# libbpf's words.
UNDEFINED_FUNCTION = re.compile(r"failed to find BTF for extern '(\w+)'")
REFUSED_MAP = re.compile(r"map '(?P<name>.*)': failed to create: (?P<reason>.*)\(-\d+\)")

CONSTANTS = ".rodata"
HIDDEN = (CONSTANTS, ".kconfig")  # made by libbpf, of no use to anybody who reads maps


class Refusal(Exception):
    """The object cannot be used; `stage` is ``open``, ``load`` or ``verify``."""

    def __init__(self, stage: str, message: str, verifier_log: bytes = b"", lines: list[Any] | None = None):
        super().__init__(message)
        self.stage = stage
        self.message = message
        self.verifier_log = verifier_log
        self.lines = lines or []


@dataclass(slots=True)
class Wish:
    """What the daemon asked for, with its descriptors in place."""

    program: str
    program_type: int
    constants: Mapping[str, int]
    reuse: Mapping[str, int]
    offers: Mapping[str, int]
    memory_bytes: int


@dataclass(slots=True)
class Map:
    """A map of the opened object, as it was declared: reusing another map overwrites what libbpf says."""

    handle: int
    name: str
    tags: tuple[str, ...]
    map_type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    key_type_id: int
    value_type_id: int
    is_reused: bool = False
    is_wanted: bool = True


@dataclass(slots=True)
class Loaded:
    """The descriptors of a loaded object; they belong to libbpf and live as long as this process.

    The kernel may refuse an object's types and take the program all the same; `own_btf` are then those of the object.
    """

    program_fd: int
    btf_fd: int
    own_btf: bytes
    maps: list[Map]

    @property
    def fds(self) -> list[int]:
        """The program, its maps in their order, and the BTF if there is one."""
        fds = [self.program_fd, *(_libbpf.map_fd(each.handle) for each in self.maps)]
        return [*fds, self.btf_fd] if self.btf_fd >= 0 else fds


def load_object(raw: bytes, wish: Wish, messages: list[str]) -> Loaded:
    """Open `raw`, load the wished program and the maps; `messages` is where libbpf's words arrive.

    Raises:
        Refusal: It could not be, and why.
    """
    handle = _open(raw, messages)
    try:
        elf = Elf.parse(raw)
        btf = elf.section(".BTF")
        tags = variable_tags(btf.content) if btf else {}
    except ValueError as error:
        raise Refusal("open", str(error)) from error
    program = _choose_program(handle, wish)
    maps = [_declared(each, tags) for each in _each(_libbpf.object_next_map, handle)]
    used = elf.names_used_by(wish.program)
    for each in maps:
        _prepare_map(each, wish, used)
    _set_constants(maps, elf, wish.constants)
    _check_memory(maps, wish.memory_bytes)
    for each in maps:
        _give_pattern(each, maps)
    log = _LogBuffer(program)
    try:
        _libbpf.object_load(handle)
    except OSError as error:
        if not log.text() and (refusal := _map_refusal(messages, maps)):
            raise refusal from error
        raise _load_refusal(error, log.text(), messages, elf, wish.program) from error
    btf_fd = _libbpf.object_btf_fd(handle)
    own_btf = btf.content if btf and btf_fd < 0 else b""
    shown = [each for each in maps if not each.name.startswith(HIDDEN) and _libbpf.map_fd(each.handle) >= 0]
    return Loaded(_libbpf.program_fd(program), btf_fd, own_btf, shown)


def _open(raw: bytes, messages: list[str]) -> int:
    options = _libbpf.ObjectOpenOptions(sz=ctypes.sizeof(_libbpf.ObjectOpenOptions), object_name=b"dynmon")
    try:
        return int(_libbpf.object_open_mem(raw, len(raw), ctypes.byref(options)))
    except OSError as error:
        last = _last(messages)
        missing = UNDEFINED_FUNCTION.search(last)
        reason = f"function {missing[1]!r} is declared but not defined" if missing else last
        raise Refusal("open", reason or str(error.strerror)) from error


def _each(successor: Any, handle: int) -> Iterator[int]:
    item = successor(handle, None)
    while item:
        yield item
        item = successor(handle, item)


def _choose_program(handle: int, wish: Wish) -> int:
    chosen, names = None, []
    for program in _each(_libbpf.object_next_program, handle):
        name = _libbpf.program_name(program).decode(errors="replace")
        names.append(name)
        _libbpf.program_set_autoload(program, name == wish.program)
        if name == wish.program:
            chosen = program
    if chosen is None:
        listed = ", ".join(names) or "none"
        raise Refusal("open", f"it has no program called {wish.program!r}; it has: {listed}")
    _libbpf.program_set_type(chosen, wish.program_type)
    # A section name may imply an attach type that belongs to another kind of program.
    _libbpf.program_set_attach_type(chosen, 0)
    return int(chosen)


def _declared(handle: int, tags: Mapping[str, tuple[str, ...]]) -> Map:
    name = _libbpf.map_name(handle).decode(errors="replace")
    if _libbpf.map_is_internal(handle):
        name = name[name.find(".") :]  # libbpf puts the object's name before the section's
    ours = tuple(tag for tag in tags.get(name, ()) if tag.startswith(TAG_PREFIX))
    return Map(
        handle=handle,
        name=name,
        tags=ours,
        map_type=_libbpf.map_type(handle),
        key_size=_libbpf.map_key_size(handle),
        value_size=_libbpf.map_value_size(handle),
        max_entries=_libbpf.map_max_entries(handle),
        flags=_libbpf.map_flags(handle),
        key_type_id=_libbpf.map_key_type(handle),
        value_type_id=_libbpf.map_value_type(handle),
    )


def _prepare_map(declared: Map, wish: Wish, used: set[str]) -> None:
    # LIBBPF_PIN_BY_NAME would pin below /sys/fs/bpf, or take over what is pinned there.
    _libbpf.map_set_pin_path(declared.handle, None)
    if PREDEFINED in declared.tags and declared.name not in used:
        declared.is_wanted = False
        _libbpf.map_set_autocreate(declared.handle, False)
        return
    replacement = _replacement(declared, wish)
    if replacement is None:
        return
    try:
        _libbpf.map_reuse_fd(declared.handle, replacement)
    except OSError as error:
        raise Refusal("load", f"map {declared.name!r} cannot be shared: {error.strerror}") from error
    _check_same_shape(declared)
    declared.is_reused = True


def _replacement(declared: Map, wish: Wish) -> int | None:
    if declared.name in wish.reuse:
        return wish.reuse[declared.name]
    if EXTERN in declared.tags:
        if declared.name not in wish.offers:
            raise Refusal("open", f"reference to undefined table {declared.name!r}")
        return wish.offers[declared.name]
    path = _in_tags(PINNED, declared)
    return None if path is None else _pinned(declared.name, path)


def _in_tags(pattern: re.Pattern[str], declared: Map) -> str | None:
    return next((found[1] for tag in declared.tags if (found := pattern.fullmatch(tag))), None)


def _give_pattern(outer: Map, maps: list[Map]) -> None:
    """A map of maps is made with a map to compare with; the kernel keeps its shape, so it may go with this process."""
    name = _in_tags(INNER, outer)
    if name is None or outer.is_reused:
        return
    inner = next((each for each in maps if each.name == name), None)
    if inner is None:
        raise Refusal("open", f"map {outer.name!r} holds maps like {name!r}, which is not declared")
    if outer.value_size != INNER_REFERENCE_BYTES:
        raise Refusal("open", f"map {outer.name!r} holds maps, so its values must have {INNER_REFERENCE_BYTES} bytes")
    try:
        pattern = _syscall.map_create(
            inner.map_type, inner.key_size, inner.value_size, inner.max_entries, inner.flags, inner.name
        )
        _libbpf.map_set_inner_fd(outer.handle, pattern)
    except OSError as error:
        raise Refusal("load", f"map {name!r} cannot be inside of {outer.name!r}: {error.strerror}") from error


def _pinned(name: str, path: str) -> int:
    missing = Refusal("open", f"map not found: {name!r} should be pinned at {path!r}")
    try:
        real = os.path.realpath(path)
        if not any(real.startswith(f"{folder}/") for folder in _bpf_folders()):
            raise missing
        return _syscall.object_get(real)
    except (OSError, ValueError) as error:
        raise missing from error


def _bpf_folders() -> Iterator[str]:
    """Where BPF filesystems are mounted; only there may a map be taken from."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.startswith("bpf "):
            yield fields.split()[4]


def _check_same_shape(declared: Map) -> None:
    for what, wanted, found in (
        ("keys", declared.key_size, _libbpf.map_key_size(declared.handle)),
        ("values", declared.value_size, _libbpf.map_value_size(declared.handle)),
    ):
        if wanted and wanted != found:
            raise Refusal(
                "load",
                f"map {declared.name!r} is declared with {what} of {wanted} bytes, but the existing map has {found}",
            )


def _set_constants(maps: list[Map], elf: Elf, constants: Mapping[str, int]) -> None:
    for name, value in constants.items():
        symbol = elf.symbol(name)
        if symbol is None or symbol.section >= len(elf.sections):
            continue
        section = elf.sections[symbol.section].name
        home = next((each for each in maps if each.name == section and section.startswith(CONSTANTS)), None)
        if home is None:
            continue
        size = ctypes.c_size_t()
        start = _libbpf.map_initial_value(home.handle, ctypes.byref(size))
        if symbol.size not in (1, 2, 4, 8) or symbol.value + symbol.size > size.value:
            raise Refusal("open", f"the constant {name!r} is not an integer")
        content = (value & ((1 << 8 * symbol.size) - 1)).to_bytes(symbol.size, "little")
        ctypes.memmove(start + symbol.value, content, symbol.size)


def _check_memory(maps: list[Map], limit: int) -> None:
    needs = {
        each.name: map_memory(each.map_type, each.key_size, each.value_size, each.max_entries)
        for each in maps
        if each.is_wanted and not each.is_reused
    }
    total = sum(needs.values())
    if total > limit:
        largest = max(needs, key=lambda name: needs[name])
        raise Refusal(
            "load",
            f"its maps would take {_mebibytes(total)} of kernel memory, {_mebibytes(limit)} are allowed; "
            f"the largest is {largest!r} with {_mebibytes(needs[largest])}",
        )


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MiB"


class _LogBuffer:
    """Where the kernel writes the verifier's log; libbpf asks for one only after a first refusal."""

    def __init__(self, program: int) -> None:
        self._memory = mmap.mmap(-1, LOG_BYTES)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        _libbpf.program_set_log(program, start, LOG_BYTES)

    def text(self) -> bytes:
        end = self._memory.find(b"\0")
        return self._memory[max(0, end - LOG_TAIL_BYTES) : end]


def _map_refusal(messages: list[str], maps: list[Map]) -> Refusal | None:
    """Which map the kernel would not make, and what it was asked for: the number that is wrong is among these."""
    for found in filter(None, map(REFUSED_MAP.search, messages)):
        for each in maps:
            if each.name == found["name"]:
                return Refusal(
                    "load",
                    f"map {each.name!r} cannot be made: {found['reason']} (type {_type_name(each.map_type)}, "
                    f"keys of {each.key_size} bytes, values of {each.value_size} bytes, {each.max_entries} entries)",
                )
    return None


def _type_name(number: int) -> str:
    return MapType(number).name.lower() if number in list(MapType) else str(number)


def _load_refusal(error: OSError, log: bytes, messages: list[str], elf: Elf, program: str) -> Refusal:
    if not log:
        if error.errno == errno.EPERM:
            return Refusal("load", "the daemon may not load BPF (it needs CAP_BPF and CAP_NET_ADMIN)")
        return Refusal("load", _first_failure(messages) or str(error.strerror))
    return Refusal("verify", str(error.strerror), log, _lines_of(elf, program))


def _lines_of(elf: Elf, program: str) -> list[Any]:
    """The line records of the code that `program` can reach: instruction, file, line, column, text.

    Its own instructions keep their numbers in the kernel. Subprograms follow in libbpf's order, which only their
    text can tell; they have -1. A last record without a file stands behind the program's own instructions.
    """
    start = elf.symbol(program)
    if start is None:
        return []
    own = elf.sections[start.section].name
    first = start.value // 8
    own_instructions = range(first, first + start.size // 8)
    sections = {elf.sections[index].name for index in elf.code_reached_from(start.section)}
    lines: list[Any] = []
    for each in source_lines(elf, sections):
        is_own = each.section == own and each.instruction in own_instructions
        number = each.instruction - first if is_own else -1
        if each.line:  # code that the compiler made up has line zero
            lines.append([number, each.file, each.line, each.column, each.text])
    # An end to its last line: behind it come the subprograms.
    return [*lines, [len(own_instructions), "", 0, 0, ""]]


def _first_failure(messages: list[str]) -> str:
    """What libbpf complained of first is the cause; what follows are consequences."""
    for message in messages:
        text = message.removeprefix("libbpf: ")
        if ("fail" in text or "rror" in text) and "Retrying" not in text:
            return text
    return _last(messages)


def _last(messages: list[str]) -> str:
    return messages[-1].removeprefix("libbpf: ") if messages else ""
