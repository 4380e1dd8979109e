"""Values for the ``__kconfig`` externs of an object, in the way of the kernel's ``.config``.

libbpf would look for the kernel's configuration by itself, and give up where there is none even when every extern is
weak. So we look, and tell it about each extern that it would look up.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dynmon.bpf.refusals import Refusal
from dynmon.bpf.variables import KIND_ARRAY, KIND_ENUM, Variable

SECTION = ".kconfig"
PREFIX = "CONFIG_"
MOST_BYTES = 16 << 20
PLACES = ("/boot/config-{release}", "/lib/modules/{release}/config", "/proc/config.gz")


def kconfig_text(variables: Mapping[str, Variable], strong: Iterable[str], places: Sequence[str] = PLACES) -> bytes:
    """A line for each option that `variables` ask for; those that the kernel does not set are zero.

    Raises:
        Refusal: The code cannot do without an option (it is among `strong`), and the kernel does not tell it.
    """
    wanted = {name: each for name, each in variables.items() if each.section == SECTION and name.startswith(PREFIX)}
    if not wanted:
        return b""
    config = _kernel_config(places)
    known = _options(config or "", wanted)
    for name in strong:
        if name in wanted and name not in known:
            raise _missing(name, is_config_known=config is not None)
    return "".join(f"{name}={known.get(name) or _zero(each)}\n" for name, each in wanted.items()).encode()


def _kernel_config(places: Sequence[str]) -> str | None:
    for place in places:
        path = Path(place.format(release=os.uname().release))
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                return file.read(MOST_BYTES).decode(errors="replace")
        except OSError:
            continue
    return None


def _options(config: str, names: Iterable[str]) -> dict[str, str]:
    wanted = set(names)
    pairs = (line.partition("=") for line in config.splitlines() if line.startswith(PREFIX))
    return {name: value for name, _, value in pairs if name in wanted}


def _zero(variable: Variable) -> str:
    if variable.kind == KIND_ARRAY:
        return '""'
    return "n" if variable.kind == KIND_ENUM or variable.is_bool else "0"


def _missing(name: str, *, is_config_known: bool) -> Refusal:
    hint = f"declare it __weak: extern int {name} __kconfig __weak; it is then zero"
    if is_config_known:
        return Refusal("open", f"the kernel's configuration does not set {name}, which the code reads", hint)
    return Refusal("open", f"the kernel's configuration is nowhere to be found, and the code reads {name}", hint)
