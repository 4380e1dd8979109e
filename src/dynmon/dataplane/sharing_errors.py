"""Why a map cannot be shared, between the paths of a cube or between cubes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dynmon.errors import InjectionError


class _SharingRefused(InjectionError):
    """Shared by what is wrong with a map that more than one program would use."""

    stage = "check"

    def __init__(self, sentence: str, map_name: str, file: str, hint: str) -> None:
        super().__init__(sentence, file=file, hint=hint)
        self.map_name = map_name

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "map": self.map_name}


class MapAlreadyPublic(_SharingRefused):
    """Another cube already declares a public map of this name."""

    def __init__(self, map_name: str, owner: str, file: str = "") -> None:
        super().__init__(
            f"public map {map_name!r} is already declared by cube {owner!r}",
            map_name,
            file,
            f'refer to it with BPF_TABLE("extern", ..., {map_name}, ...), or give this one another name',
        )
        self.owner = owner

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "owner": self.owner}


class PublicMapInUse(_SharingRefused):
    """A public map is declared otherwise than the one of its name that other cubes use."""

    def __init__(self, map_name: str, users: Collection[str], difference: str, file: str) -> None:
        cubes = ", ".join(repr(user) for user in sorted(users))
        super().__init__(
            f"public map {map_name!r} is in use by {cubes} and cannot change: {difference or 'it would be a new one'}",
            map_name,
            file,
            "declare it as it was, give it another name, or first inject other code into the cubes that use it"
            if difference
            else "it came into use while the code was being loaded: inject the code once more",
        )
        self.users = sorted(users)

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "users": self.users}


class PublicMapReplaced(_SharingRefused):
    """The public map that code refers to was replaced while the code was being loaded."""

    def __init__(self, map_name: str, file: str) -> None:
        sentence = f"public map {map_name!r} was replaced while the code that refers to it was being loaded"
        super().__init__(sentence, map_name, file, "inject the code once more")


class LayoutDiffers(_SharingRefused):
    """Code refers to a map whose keys or values are not what it takes them for."""

    def __init__(self, map_name: str, whose: str, difference: str, file: str) -> None:
        super().__init__(
            f"map {map_name!r} is not declared as {whose} has it: {difference}",
            map_name,
            file,
            "declare it with the key and the leaf that it is made with",
        )


class MapSharedTwice(_SharingRefused):
    """Both paths of a cube declare the map that they are to share."""

    def __init__(self, map_name: str) -> None:
        super().__init__(
            f"map {map_name!r} is declared by the ingress code and by the egress code, but is to be one map",
            map_name,
            "",
            f'declare it in one of them, and refer to it with BPF_TABLE("extern", ..., {map_name}, ...) in the other',
        )
