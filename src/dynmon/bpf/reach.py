"""Which functions of an object can run when one of them does, and what they use: helpers, maps, externs.

A program calls the functions of its object in four ways: relative to the call, inside a section; through a
relocation to the function; through one to its section, with the place in the instruction; and as a callback, whose
address it loads. A function ends where the next one begins at the latest, so that every instruction is looked at
once, however damaged the object is.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from dynmon.bpf.elf import STT_FUNCTION, STT_SECTION, Elf, Symbol

INSTRUCTION = struct.Struct("<BBhi")
CALL = 0x85
LOAD_WIDE = 0x18
HELPER, FUNCTION, CALLBACK = 0, 1, 4  # what the source register of these two says about the number in them
GLOBALS = (".bss", ".data", ".rodata")
MAPS = ".maps"


@dataclass(frozen=True, slots=True)
class Function:
    """A function's place: from instruction `start` to before `end` of the section with this index."""

    name: str
    section: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Uses:
    """What code refers to: numbers of helpers, names of maps and of what is not in the object, functions.

    `calls` are the functions again, in the order in which the instructions refer to them.
    """

    helpers: set[int] = field(default_factory=set)
    maps: set[str] = field(default_factory=set)
    externs: set[str] = field(default_factory=set)
    functions: set[Function] = field(default_factory=set)
    calls: list[Function] = field(default_factory=list)

    @property
    def instructions(self) -> int:
        """The instructions of all functions."""
        return sum(each.end - each.start for each in self.functions)


class Code:
    """The functions of an object, and what each of them uses."""

    def __init__(self, elf: Elf) -> None:
        self._elf = elf
        self._functions = _functions(elf)
        self._by_name: dict[str, Function] = {}
        for functions in self._functions.values():
            for each in functions:
                self._by_name.setdefault(each.name, each)
        self._relocations: dict[int, dict[int, Symbol]] = {}
        self._direct: dict[Function, Uses] = {}

    def function(self, name: str) -> Function | None:
        """The function called `name`."""
        return self._by_name.get(name)

    def reached_from(self, names: Iterable[str]) -> Uses:
        """What the functions with these `names`, and all that they call, use; they are among its functions."""
        found = Uses()
        ahead = [function for name in names if (function := self.function(name))]
        while ahead:
            function = ahead.pop()
            if function not in found.functions:
                found.functions.add(function)
                direct = self._uses_of(function)
                ahead.extend(direct.functions - found.functions)
                found.helpers.update(direct.helpers)
                found.maps.update(direct.maps)
                found.externs.update(direct.externs)
        return found

    def layout(self, program: str) -> dict[Function, int]:
        """Where libbpf puts `program` and all that it calls: the numbers of their first instructions in the kernel.

        A function comes behind all that is there when its first call is found, and what it calls itself behind it.
        """
        own, room = self.function(program), 0
        placed: dict[Function, int] = {}
        ahead = [iter([own] if own else [])]
        while ahead:
            function = next(ahead[-1], None)
            if function is None:
                ahead.pop()
            elif function not in placed:
                placed[function] = room
                room += function.end - function.start
                ahead.append(iter(self._uses_of(function).calls))
        return placed

    def _uses_of(self, function: Function) -> Uses:
        """What the function itself refers to; its functions are those that it calls."""
        if function not in self._direct:
            self._direct[function] = self._look_at(function)
        return self._direct[function]

    def _look_at(self, function: Function) -> Uses:
        uses = Uses()
        relocations = self._relocations.get(function.section)
        if relocations is None:
            relocations = self._relocations[function.section] = self._elf.relocations(function.section)
        content = self._elf.sections[function.section].content[function.start * 8 : function.end * 8]
        for index, (code, registers, _, number) in enumerate(INSTRUCTION.iter_unpack(content), function.start):
            if code not in (CALL, LOAD_WIDE):
                continue
            symbol = relocations.get(index * 8)
            if symbol is not None:
                self._follow(symbol, code, number, uses)
            elif code == CALL and registers >> 4 == HELPER:
                uses.helpers.add(number)
            elif registers >> 4 == (FUNCTION if code == CALL else CALLBACK):
                self._add_function(function.section, index + number + 1, uses)
        return uses

    def _follow(self, symbol: Symbol, code: int, number: int, uses: Uses) -> None:
        """What an instruction refers to with a relocation; its own number says how far behind the symbol."""
        section = self._elf.section_name(symbol)
        if not symbol.section:
            uses.externs.add(symbol.name)
        elif code == CALL:
            self._add_function(symbol.section, symbol.value // 8 + number + 1, uses)
        elif symbol.section in self._functions:
            self._add_function(symbol.section, (symbol.value + number) // 8, uses)
        elif section.startswith(GLOBALS):
            uses.maps.add(section)
        elif symbol.kind == STT_SECTION:
            uses.maps.update(filter(None, [variable_at(self._elf, symbol.section, number)]))
        else:
            uses.maps.add(symbol.name)

    def _add_function(self, section: int, instruction: int, uses: Uses) -> None:
        functions = self._functions.get(section, [])
        place = bisect_right(functions, instruction, key=lambda each: each.start) - 1
        if place >= 0 and instruction < functions[place].end:
            uses.functions.add(functions[place])
            uses.calls.append(functions[place])


def static_values(elf: Elf) -> dict[str, list[str]]:
    """By the name of a map, the maps or programs that its declaration puts into it, in their order."""
    home = next((index for index, each in enumerate(elf.sections) if each.name == MAPS), None)
    found: defaultdict[str, list[str]] = defaultdict(list)
    if home is not None:
        for offset, symbol in sorted(elf.relocations(home).items(), key=lambda item: item[0]):
            if name := variable_at(elf, home, offset):
                found[name].append(symbol.name)
    return dict(found)


def variable_at(elf: Elf, section: int, offset: int) -> str | None:
    """The variable of a section that has this offset in it."""
    return next(
        (
            symbol.name
            for symbol in elf.symbols
            if symbol.section == section
            and symbol.kind != STT_SECTION
            and symbol.value <= offset < symbol.value + symbol.size
        ),
        None,
    )


def _functions(elf: Elf) -> dict[int, list[Function]]:
    """The functions of each code section, in their order; none overlaps another."""
    starts: defaultdict[int, dict[int, Symbol]] = defaultdict(dict)
    for symbol in elf.symbols:
        if symbol.kind == STT_FUNCTION and 0 < symbol.section < len(elf.sections):
            starts[symbol.section].setdefault(symbol.value // 8, symbol)
    found = {}
    for section, symbols in starts.items():
        if elf.sections[section].is_code:
            ends = [*sorted(symbols)[1:], len(elf.sections[section].content) // 8]
            found[section] = [
                Function(symbols[start].name, section, start, _end(symbols[start], start, end))
                for start, end in zip(sorted(symbols), ends, strict=True)
            ]
    return found


def _end(symbol: Symbol, start: int, limit: int) -> int:
    """Where a function ends that must not go beyond `limit`; one without a size goes that far."""
    end = start + symbol.size // 8 if symbol.size else limit
    return max(start, min(end, limit))
