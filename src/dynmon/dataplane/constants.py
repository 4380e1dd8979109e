"""``const volatile`` globals: values from the configuration, written as the bytes that the code will read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from dynmon.btf import Btf, UnencodableValue, encode
from dynmon.errors import InjectionError, did_you_mean
from dynmon.models import Direction

READ_ONLY = ".rodata"
OWN_PREFIX = "dynmon_"


class UnusableConstant(InjectionError):
    """The code has no such constant, or the value does not fit into it."""

    stage: ClassVar[str] = "check"

    def __init__(self, direction: Direction, name: str, reason: str, hint: str = "") -> None:
        sentence = f"constant {name!r} of the {direction} code: {reason}"
        super().__init__(sentence, file=direction, message=reason, hint=hint)
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "path": f"{self.file}-path.constants.{self.name}"}


def encode_constants(values: Mapping[str, Any], btf: Btf, direction: Direction) -> dict[str, bytes]:
    """The bytes for each constant of `values`, by the type that `btf` gives it.

    Raises:
        UnusableConstant: With the constants there are, or what the value should have been.
    """
    constants = {
        name: variable
        for name, variable in btf.variables.items()
        if variable.section.startswith(READ_ONLY) and not name.startswith(OWN_PREFIX)
    }
    encoded = {}
    for name, value in values.items():
        if name not in constants:
            known = ", ".join(sorted(constants)) or "none"
            reason = f"the code has no const volatile global of this name that it reads; it has: {known}"
            raise UnusableConstant(direction, name, reason, did_you_mean(name, constants))
        try:
            encoded[name] = encode(btf, constants[name].type_id, value)
        except UnencodableValue as error:
            raise UnusableConstant(direction, name, str(error)) from error
    return encoded
