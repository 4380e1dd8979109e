"""The types of one program or object: by id, by name, and what its maps were declared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dynmon.btf import types as t
from dynmon.btf.parse import parse_types

MAPS_SECTION = ".maps"
MAX_ALIASES = 64  # the kernel resolves no more than 32 (MAX_RESOLVE_DEPTH)


@dataclass(frozen=True, slots=True)
class MapAttributes:
    """How the source declares a map.

    The kernel keeps no types for queues, stacks and some others (their key has none), so this is where those
    of their values are found. A type id of zero means that the declaration gives only a size, or nothing.
    """

    name: str
    key_type_id: int
    value_type_id: int
    numbers: Mapping[str, int]
    tags: tuple[str, ...]


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
            RecursionError: The typedefs go on without end.
        """
        for _ in range(MAX_ALIASES):
            btf_type = self[type_id]
            if not isinstance(btf_type, t.Alias):
                return type_id, btf_type
            type_id = btf_type.type_id
        raise RecursionError(f"type {type_id} has more than {MAX_ALIASES} names")

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
        """The type as a C programmer would call it: ``struct flow``, ``__u32``, ``enum <unnamed>``."""
        btf_type = self[type_id]
        name = getattr(btf_type, "name", "") or "<unnamed>"
        match btf_type:
            case t.Composite() | t.Forward():
                return f"{'union' if btf_type.is_union else 'struct'} {name}"
            case t.Enum():
                return f"enum {name}"
            case t.Alias(word="typedef") | t.Int() | t.Float() | t.Function() | t.Variable() | t.Section():
                return name
        return type(btf_type).__name__.lower()

    @cached_property
    def _tags(self) -> dict[tuple[int, int], tuple[str, ...]]:
        tags: dict[tuple[int, int], tuple[str, ...]] = {}
        for btf_type in self.types:
            if isinstance(btf_type, t.DeclTag):
                place = (btf_type.type_id, btf_type.component)
                tags[place] = (*tags.get(place, ()), btf_type.text)
        return tags

    def decl_tags(self, type_id: int, component: int = -1) -> tuple[str, ...]:
        """The texts of ``btf_decl_tag`` on a type, or on one of its members or parameters."""
        return self._tags.get((type_id, component), ())

    def section(self, name: str) -> t.Section | None:
        """The ELF section of variables with this name."""
        type_id = self.find(name, t.Section)
        found = self[type_id] if type_id is not None else None
        return found if isinstance(found, t.Section) else None

    @cached_property
    def variables(self) -> dict[str, int]:
        """The ids of the global variables by name."""
        return {
            btf_type.name: type_id for type_id, btf_type in enumerate(self.types) if isinstance(btf_type, t.Variable)
        }

    @cached_property
    def map_attributes(self) -> dict[str, MapAttributes]:
        """What the maps in ``.maps`` were declared with, by the map's name."""
        section = self.section(MAPS_SECTION)
        found = [self._map_attributes(entry.type_id) for entry in section.entries] if section else []
        return {attributes.name: attributes for attributes in found if attributes}

    def _map_attributes(self, variable_id: int) -> MapAttributes | None:
        variable = self[variable_id]
        if not isinstance(variable, t.Variable):
            return None
        _, declared = self.resolve(variable.type_id)
        if not isinstance(declared, t.Composite):
            return None
        targets = {member.name: self._pointed_at(member.type_id) for member in declared.members}
        return MapAttributes(
            name=variable.name,
            key_type_id=targets.get("key", t.VOID),
            value_type_id=targets.get("value", t.VOID),
            numbers=self._numbers(targets),
            tags=self.decl_tags(variable_id),
        )

    def _pointed_at(self, type_id: int) -> int:
        _, pointer = self.resolve(type_id)
        return pointer.type_id if isinstance(pointer, t.Pointer) else t.VOID

    def _numbers(self, targets: Mapping[str, int]) -> dict[str, int]:
        # __uint(max_entries, 7) is a pointer to an array of seven: a type that carries a number.
        arrays = {name: self[target] for name, target in targets.items() if name not in ("key", "value")}
        return {name: array.count for name, array in arrays.items() if isinstance(array, t.Array)}
