"""Open one object with libbpf, prepare it, load it: what the loader's child does with a stranger's bytes.

Each refusal is a `Refusal` with the stage it belongs to; the daemon makes the error of it.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dynmon.bpf import _libbpf
from dynmon.bpf.facts import Verification
from dynmon.bpf.kinds import MapType
from dynmon.bpf.map_names import names_by_sizes, with_map_names
from dynmon.bpf.object_constants import set_constants
from dynmon.bpf.object_maps import HIDDEN, Map, declared_maps, prepare_maps, type_name
from dynmon.bpf.object_programs import check_tail_calls, fill_prog_arrays, prepare_programs, select, takes_fragments
from dynmon.bpf.opening import Parsed, open_parsed
from dynmon.bpf.passivity import STAGE, check_calls, check_same
from dynmon.bpf.refusals import Refusal, refusal_of
from dynmon.bpf.source_lines import source_lines
from dynmon.bpf.wish import Wish

# Linux up to 5.1 takes no larger log buffer; untouched pages cost nothing.
LOG_BYTES = (16 << 20) - 1
LOG_TAIL_BYTES = 256 << 10
# Newer kernels keep the end of a log that is longer, which has the reason.
CUT_OFF = b"BPF program is too complex: its log has more than 16 MiB, of which Linux before 6.4 loses the end\n"
STATISTICS = 4  # BPF_LOG_STATS

REFUSED_MAP = re.compile(r"map '(?P<name>.*)': failed to create: (?P<reason>.*)\(-\d+\)")
PROCESSED = re.compile(r"^processed (\d+) insns", re.MULTILINE)
STACK = re.compile(r"^stack depth ([\d+]+)", re.MULTILINE)
REFUSED_PROGRAM = re.compile(r"prog '(.*?)': BPF program load failed")
DURATION = re.compile(r"^verification time (\d+) usec", re.MULTILINE)

# What the kernel wants of some types of maps, and answers no more than "invalid argument" without.
MAP_RULES: dict[int, str] = {
    MapType.RINGBUF: "its max_entries are bytes: a power of two, and a multiple of the page size; it has no keys",
    MapType.USER_RINGBUF: "its max_entries are bytes: a power of two, and a multiple of the page size; it has no keys",
    MapType.QUEUE: "a queue has values and no key",
    MapType.STACK: "a stack has values and no key",
    MapType.BLOOM_FILTER: "a Bloom filter has values and no key, its map_extra is the number of hashes, at most 15",
    MapType.ARRAY: "its key is a __u32",
    MapType.PERCPU_ARRAY: "its key is a __u32, its value has no more than 32 KiB",
    MapType.PROG_ARRAY: "its key and value are __u32",
    MapType.PERF_EVENT_ARRAY: "its key and value are __u32",
    MapType.LPM_TRIE: "it needs map_flags BPF_F_NO_PREALLOC, and a key that begins with a __u32 of prefix bits",
    MapType.ARRAY_OF_MAPS: "its values are maps: __array(values, struct { ... }) or a map of maps of the dialect",
    MapType.HASH_OF_MAPS: "its values are maps: __array(values, struct { ... }) or a map of maps of the dialect",
}


@dataclass(slots=True)
class Loaded:
    """The descriptors of a loaded object; they belong to libbpf and live as long as this process.

    The kernel may refuse an object's types and take the program all the same; `own_btf` are then those of the object.
    """

    program_fd: int
    tail_calls: int
    takes_fragments: bool
    btf_fd: int
    own_btf: bytes
    maps: list[Map]
    declared: list[str]
    verification: Verification | None

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
    parsed = Parsed.parse(raw)
    if not wish.is_verbose:
        return _load(parsed, wish, messages)
    try:
        return _load(parsed, wish, messages)
    except Refusal as refusal:
        if refusal.stage != "verify":
            raise
        # With statistics for a log, the verifier does not say why it refuses.
        messages.clear()
        return _load(parsed, replace(wish, is_verbose=False), messages)


def _load(parsed: Parsed, wish: Wish, messages: list[str]) -> Loaded:
    selection = select(parsed, wish)
    if wish.proof:
        check_calls(parsed, selection.uses)
    handle = open_parsed(parsed, selection.uses.externs, selection.arrays, messages)
    programs = prepare_programs(handle, selection, wish)
    maps = declared_maps(handle, parsed.variables)
    prepare_maps(maps, parsed, wish, selection.uses.maps, selection.arrays)
    check_tail_calls(maps, wish.tail_calls)
    set_constants(maps, parsed, wish.constants)
    log = _LogBuffer(programs.values())
    if wish.is_verbose:
        _libbpf.program_set_log_level(programs[wish.program], STATISTICS)
    try:
        _libbpf.object_load(handle)
    except OSError as error:
        if not log.text() and (refusal := _map_refusal(messages, maps)):
            raise refusal from error
        names = names_by_sizes(each for each in maps if each.is_internal or each.name in selection.uses.maps)
        raise _load_refusal(error, with_map_names(log.text(), names), messages, parsed, wish) from error
    if wish.proof:
        check_same(parsed, programs, wish.program, wish.proof)
    fill_prog_arrays(maps, programs, wish.tail_calls)
    btf_fd = _libbpf.object_btf_fd(handle)
    return Loaded(
        program_fd=_libbpf.program_fd(programs[wish.program]),
        tail_calls=len(programs) - 1,
        takes_fragments=takes_fragments(programs[wish.program]),
        btf_fd=btf_fd,
        own_btf=parsed.btf if btf_fd < 0 else b"",
        maps=[each for each in maps if _is_shown(each, wish)],
        declared=[each.name for each in maps],
        verification=_verification(log.text()) if wish.is_verbose else None,
    )


def _is_shown(each: Map, wish: Wish) -> bool:
    is_asked_for = each.name in (wish.wanted or ())
    return _libbpf.map_fd(each.handle) >= 0 and (is_asked_for or not each.name.startswith(HIDDEN))


class _LogBuffer:
    """Where the kernel writes the verifier's log; libbpf asks for one only after a first refusal.

    One for all programs: those that are taken write nothing, and the first that is refused is the last.
    """

    def __init__(self, programs: Iterable[int]) -> None:
        self._memory = mmap.mmap(-1, LOG_BYTES)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        for each in programs:
            _libbpf.program_set_log(each, start, LOG_BYTES)

    def text(self) -> bytes:
        end = self._memory.find(b"\0")
        return self._memory[max(0, end - LOG_TAIL_BYTES) : end]


def _verification(log: bytes) -> Verification:
    text = log.decode(errors="replace")
    processed, stack, duration = PROCESSED.search(text), STACK.search(text), DURATION.search(text)
    return Verification(
        instructions_processed=int(processed[1]) if processed else 0,
        stack_bytes=sum(int(each) for each in stack[1].split("+") if each) if stack else 0,
        seconds=int(duration[1]) / 1e6 if duration else None,
        log=tuple(text.splitlines()),
    )


def _map_refusal(messages: Sequence[str], maps: Sequence[Map]) -> Refusal | None:
    """Which map the kernel would not make, and what it was asked for: the number that is wrong is among these."""
    for found in filter(None, map(REFUSED_MAP.search, messages)):
        for each in maps:
            if each.name == found["name"]:
                return Refusal(
                    "load",
                    f"map {each.name!r} cannot be made: {found['reason']} (type {type_name(each.map_type)}, "
                    f"keys of {each.key_size} bytes, values of {each.value_size} bytes, {each.max_entries} entries)",
                    MAP_RULES.get(each.map_type, ""),
                )
    return None


def _load_refusal(error: OSError, log: bytes, messages: Sequence[str], parsed: Parsed, wish: Wish) -> Refusal:
    if not log:
        if error.errno == errno.EPERM:
            return Refusal("load", "the daemon may not load BPF (it needs CAP_BPF and CAP_NET_ADMIN)")
        return refusal_of("load", error, messages)
    if error.errno == errno.ENOSPC and len(log) >= LOG_TAIL_BYTES:
        log = log[: log.rfind(b"\n") + 1] + CUT_OFF
    refused = next(filter(None, map(REFUSED_PROGRAM.search, messages)), None)
    name = refused[1] if refused else wish.program
    stage = STAGE if name == wish.proof else "verify"
    return Refusal(stage, str(error.strerror), program=name, verifier_log=log, lines=_lines_of(parsed, name))


def _lines_of(parsed: Parsed, program: str) -> list[Any]:
    """The line records of the code that `program` can reach: instruction as in the kernel, file, line, column, text.

    Behind them a record without a file for the end of each function.
    """
    layout = parsed.code.layout(program)
    homes = defaultdict(list)
    for each in layout:
        homes[parsed.elf.sections[each.section].name].append(each)
    lines: list[Any] = []
    for line in source_lines(parsed.elf, set(homes)):
        home = next((each for each in homes[line.section] if each.start <= line.instruction < each.end), None)
        if home and line.line:  # code that the compiler made up has line zero
            number = layout[home] + line.instruction - home.start
            lines.append([number, line.file, line.line, line.column, line.text])
    return [*lines, *([start + each.end - each.start, "", 0, 0, ""] for each, start in layout.items())]
