"""The types of one program or object: by id, by name, and what its maps were declared with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from dynmon.btf import types as t
from dynmon.btf.parse import InvalidBtf, parse_types, references

MAPS_SECTION = ".maps"
DATA_SECTION = re.compile(r"\.(bss|data|rodata)(\..*)?")
INNER_TAG = re.compile(r"dynmon:(?:array|hash)_of_maps\$(.+)", re.DOTALL)
MAX_ALIASES = 64  # the kernel resolves no more than 32 (MAX_RESOLVE_DEPTH)


@dataclass(frozen=True, slots=True)
class MapTypes:
    """The types that the source declares a map with; zero means that it gives only a size, or nothing.

    The kernel keeps no types for queues, stacks and some others (their key has none), so this is where those
    of their values are found. `inner` is what the maps inside of a map of maps are declared with, where there is a
    pattern for them.
    """

    key_type_id: int
    value_type_id: int
    inner: MapTypes | None = None


@dataclass(frozen=True, slots=True)
class GlobalVariable:
    """A variable outside of all functions, and those inside that are static: they have ``function.name``.

    `offset` is that in its section. The compiler leaves it open; libbpf fills it in, and the kernel has it so.
    """

    name: str
    section: str
    offset: int
    size: int
    type_id: int


@dataclass(frozen=True)
class Btf:
    """Types by id, and ways to find them."""

    types: tuple[t.BtfType, ...] = field(repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Btf:
        """Read raw little-endian BTF; no bytes at all are no types, as in an object compiled without ``-g``.

        Raises:
            InvalidBtf: The bytes are not that.
        """
        return cls(parse_types(raw) if raw else (t.Void(),))

    def __len__(self) -> int:
        return len(self.types)

    def __getitem__(self, type_id: int) -> t.BtfType:
        """The type with this id.

        Raises:
            KeyError: There is none.
        """
        if not 0 <= type_id < len(self.types):
            raise KeyError(type_id)
        return self.types[type_id]

    def resolve(self, type_id: int) -> tuple[int, t.BtfType]:
        """The type that stays when typedefs and qualifiers are taken off, and its id.

        Raises:
            KeyError: There is no type with this id.
            InvalidBtf: The typedefs go on without end.
        """
        for _ in range(MAX_ALIASES):
            btf_type = self[type_id]
            if not isinstance(btf_type, t.Alias):
                return type_id, btf_type
            type_id = btf_type.type_id
        raise InvalidBtf(f"it has more than {MAX_ALIASES} names", type_id)

    def find(self, name: str, kind: type[t.BtfType]) -> int | None:
        """The id of the first type of this kind and name, such as ``find("flow", Composite)``."""
        return next(
            (
                type_id
                for type_id, btf_type in enumerate(self.types)
                if isinstance(btf_type, kind) and getattr(btf_type, "name", None) == name
            ),
            None,
        )

    def describe(self, type_id: int) -> str:
        """The type as a C programmer would call it: ``struct flow``, ``__u32``, ``char[16]``; without qualifiers."""
        stars, dimensions = "", ""
        for _ in range(MAX_ALIASES):
            btf_type = self[type_id]
            match btf_type:
                case t.Pointer():
                    stars += "*"
                case t.Array():
                    dimensions += f"[{btf_type.count}]"
                case t.Alias(word=word) if word != "typedef":
                    pass
                case _:
                    return f"{_own_name(btf_type)}{stars and ' ' + stars}{dimensions}"
            type_id = btf_type.type_id
        return f"<unnamed>{dimensions}"

    @cached_property
    def map_types(self) -> dict[str, MapTypes]:
        """What the maps in ``.maps`` are declared with, by the map's name."""
        section = self.find(MAPS_SECTION, t.Section)
        variables = [self[type_id] for type_id in references(self[section])] if section else []
        declarations = {each.name: each.type_id for each in variables if isinstance(each, t.Variable)}
        # Of each type once: many maps may share one long declaration.
        types = {type_id: self._map_types(type_id) for type_id in set(declarations.values())}
        found = {name: types[type_id] for name, type_id in declarations.items()}
        patterns = {outer: found[name] for outer, name in self._patterns() if outer in found and name in found}
        return found | {outer: replace(found[outer], inner=inner) for outer, inner in patterns.items()}

    def _patterns(self) -> Iterator[tuple[str, str]]:
        """The maps of maps of the dialect, each with the name of the map that is the pattern for those inside."""
        for tag in self.types:
            if isinstance(tag, t.DeclTag) and (named := INNER_TAG.fullmatch(tag.text)):
                outer = self[tag.type_id]
                if isinstance(outer, t.Variable):
                    yield outer.name, named[1]

    @cached_property
    def variables(self) -> dict[str, GlobalVariable]:
        """The global variables in ``.bss``, ``.data``, ``.rodata`` and sections named after these, by name."""
        return {variable.name: variable for variable in self._variables()}

    def _variables(self) -> Iterator[GlobalVariable]:
        for section in self.types:
            if isinstance(section, t.Section) and DATA_SECTION.fullmatch(section.name):
                for entry in section.entries:
                    variable = self[entry.type_id]
                    if isinstance(variable, t.Variable):
                        yield GlobalVariable(variable.name, section.name, entry.offset, entry.size, variable.type_id)

    def _map_types(self, type_id: int) -> MapTypes:
        _, declared = self.resolve(type_id)
        if not isinstance(declared, t.Composite):
            return MapTypes(t.VOID, t.VOID)
        return replace(self._key_and_value(declared), inner=self._inner(declared.members))

    def _key_and_value(self, declared: t.Composite) -> MapTypes:
        pointers = {member.name: self.resolve(member.type_id)[1] for member in declared.members}
        targets = {name: pointer.type_id for name, pointer in pointers.items() if isinstance(pointer, t.Pointer)}
        return MapTypes(targets.get("key", t.VOID), targets.get("value", t.VOID))

    @cached_property
    def _inner_types(self) -> dict[int, MapTypes]:
        """What is known so far of the declarations that stand inside of others, which many may share."""
        return {}

    def _inner(self, members: Iterable[t.Member]) -> MapTypes | None:
        """What libbpf's ``__array(values, ...)`` says: an array of pointers to the declaration of the maps inside."""
        for member in members:
            _, array = self.resolve(member.type_id)
            if member.name == "values" and isinstance(array, t.Array):
                _, pointer = self.resolve(array.type_id)
                inner_id, inner = self.resolve(pointer.type_id if isinstance(pointer, t.Pointer) else t.VOID)
                if not isinstance(inner, t.Composite):
                    return None
                if inner_id not in self._inner_types:
                    self._inner_types[inner_id] = self._key_and_value(inner)
                return self._inner_types[inner_id]
        return None


def _own_name(btf_type: t.BtfType) -> str:
    name = getattr(btf_type, "name", "") or "<unnamed>"
    match btf_type:
        case t.Composite() | t.Forward():
            return f"{'union' if btf_type.is_union else 'struct'} {name}"
        case t.Enum():
            return f"enum {name}"
        case t.Alias() | t.Int() | t.Float() | t.Function() | t.Variable() | t.Section():
            return name
        case t.Prototype():
            return "function"
    return type(btf_type).__name__.lower()
