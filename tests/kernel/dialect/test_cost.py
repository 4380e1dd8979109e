"""Dialect code costs what the same program costs when it is written by hand against libbpf."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from dynmon.bpf import LoadedObject, LoadRequest, ProgramType
from dynmon.models import Hook
from tests.kernel.dialect.conftest import HANDLER, Dialect
from tests.support import needs, run

pytestmark = needs("kernel", "clang")
SOURCES = Path(__file__).parent / "sources"
SAME = 3  # instructions that the compiler may lay out differently


def by_hand(dialect: Dialect, tmp_path: Path, name: str, hook: Hook) -> LoadedObject:
    """The object of a plain libbpf source."""
    target = tmp_path / "by_hand.o"
    architecture = f"-I/usr/include/{platform.machine()}-linux-gnu"
    run(
        "clang",
        "-target",
        "bpf",
        "-mcpu=v3",
        "-O2",
        "-g",
        architecture,
        f"-DHOOK_{hook.name}",
        "-c",
        str(SOURCES / f"{name}_by_hand.c"),
        "-o",
        str(target),
    )
    kind = ProgramType.SCHED_CLS if hook is Hook.TC else ProgramType.XDP
    request = LoadRequest(target.read_bytes(), "by_hand", kind, "ingress", memory_bytes=1 << 28)
    return dialect.stack.enter_context(dialect.loader.load(request))


@pytest.mark.parametrize("hook", list(Hook))
@pytest.mark.parametrize("name", ["counter", "flows"])
def test_as_many_instructions_as_by_hand(dialect: Dialect, tmp_path: Path, name: str, hook: Hook) -> None:
    ours = dialect.load((SOURCES / f"{name}.c").read_text().replace("HANDLER", HANDLER), hook)
    theirs = by_hand(dialect, tmp_path, name, hook)

    assert ours.program.instructions <= theirs.program.instructions + SAME
    assert set(theirs.maps) == set(ours.maps)
