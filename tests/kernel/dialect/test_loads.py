"""Every macro and every method compiles, and the kernel takes it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dynmon.compiler
from dynmon.bpf import VerifierError
from dynmon.models import Direction, Hook
from tests.kernel.dialect.cases import EVERYTHING, LOADABLE, MAPS_OF_MAPS, OFFERED, OTHERS, PINNED, Case
from tests.kernel.dialect.conftest import Dialect
from tests.support import needs, run

pytestmark = needs("kernel", "clang")
HEADERS = Path(dynmon.compiler.__file__).parent / "include/dialect/dynmon"


def on_hooks(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("case", "hook"),
        [pytest.param(case, hook, id=f"{case.name}-{hook}") for case in cases for hook in case.hooks],
    )


@on_hooks(LOADABLE)
def test_loads(dialect: Dialect, case: Case, hook: Hook) -> None:
    """The kernel takes the program and its maps, and clang has nothing to say about it."""
    loaded = dialect.load(case.source, hook)

    assert loaded.program.instructions > 0
    assert ("M" in loaded.maps) == (" M" in case.declaration or "(M" in case.declaration)
    assert () == dialect.compiler.compile(case.source, Direction.INGRESS, hook).warnings


@on_hooks(OTHERS)
def test_helpers_of_other_program_types_compile(dialect: Dialect, case: Case, hook: Hook) -> None:
    """The verifier names the helper; nothing else about the code is wrong."""
    with pytest.raises(VerifierError) as refusal:
        dialect.load(case.source, hook)
    assert re.search("unknown func|program of this type cannot use helper|cannot pass map_type", str(refusal.value.log))


@pytest.mark.parametrize("hook", list(Hook))
@pytest.mark.parametrize("pair", OFFERED, ids=lambda pair: pair[1].name)
def test_extern_refers_to_an_offered_map(dialect: Dialect, pair: tuple[Case, Case], hook: Hook) -> None:
    """A declaration as extern takes the other's type and contents."""
    owner = dialect.load(pair[0].source, hook)
    user = dialect.load(pair[1].source, hook, offers={"M": owner.maps["M"].fd})

    assert owner.maps["M"].info.id == user.maps["M"].info.id
    assert "dynmon:extern" in user.tags["M"]


@pytest.fixture
def pin() -> Iterator[Path]:
    path = Path(f"/sys/fs/bpf/dynmon-test-{os.getpid()}")
    yield path
    path.unlink(missing_ok=True)


@needs("bpftool")
@on_hooks(PINNED)
def test_pinned_map_is_found(dialect: Dialect, case: Case, hook: Hook, pin: Path) -> None:
    """The map at the path takes the place of the declared one."""
    kind, key = ("queue", 0) if "queue" in case.declaration else ("hash", 4)
    value = 4 if "XSKMAP" in case.declaration else 8
    kind = "xskmap" if "XSKMAP" in case.declaration else kind
    run("bpftool", *f"map create {pin} type {kind} key {key} value {value} entries 8 name PINNED".split())
    loaded = dialect.load(case.source.replace("{pin}", str(pin)), hook)

    assert "PINNED" in run("bpftool", "map", "show", "id", str(loaded.maps["M"].info.id))


@on_hooks(MAPS_OF_MAPS)
def test_map_of_maps_loads(dialect: Dialect, case: Case, hook: Hook) -> None:
    """The inner map is the pattern of what the outer one holds."""
    assert "M" in dialect.load(case.source, hook).maps


def test_every_macro_and_method_has_a_case() -> None:
    """Nothing is in the headers that no test loads."""
    written = "\n".join(case.source for case in EVERYTHING) + "\n".join(pair[0].source for pair in OFFERED)
    macros = set(re.findall(r"^#define (BPF_\w+)\(", (HEADERS / "maps.h").read_text(), re.MULTILINE))
    methods = set(re.findall(r"DO\(NAME, (\w+)\)", (HEADERS / "methods.h").read_text()))
    types = set(re.findall(r'DYNMON_(?:KIND|IS|BEGINS)\(TYPE, "(\w+)\$?"\)', (HEADERS / "maps.h").read_text()))

    assert len(macros) > 30
    assert not {macro for macro in macros if f"{macro}(" not in written}
    assert not {method for method in methods if f"M.{method}(" not in written}
    assert not {kind for kind in types if f'"{kind}' not in written}
