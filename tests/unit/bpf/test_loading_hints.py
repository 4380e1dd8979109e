"""What to do about objects that cannot be opened or loaded."""

from __future__ import annotations

import pytest

from dynmon.bpf.errors import OpenError
from dynmon.bpf.loading_hints import HINTS, loading_hint

SAID = [
    ("reference to undefined table 'FLOWS'", "BPF_TABLE_PUBLIC"),
    ("map not found: 'M' should be pinned at '/sys/fs/bpf/M'", "has to run first"),
    ("no answer in 30 seconds", "make the code smaller"),
    ("the process that loads it died of it", "compile it again"),
    ("the ELF object is damaged: its sections overlap", "compile it again"),
]


@pytest.mark.parametrize(("said", "hint"), SAID, ids=lambda text: text[:40])
def test_a_refusal_has_a_hint(said: str, hint: str) -> None:
    assert hint in OpenError("ingress", said).hint


def test_no_hint_is_dead() -> None:
    given = {loading_hint(said) for said, _ in SAID}

    assert [] == [pattern.pattern for pattern, hint in HINTS if hint not in given]


def test_the_header_of_a_function_that_is_nowhere() -> None:
    """libbpf C may call what is not declared, and only libbpf notices."""
    nowhere = "function '{}' is declared but not defined"

    assert "#include <bpf/bpf_endian.h>" in loading_hint(nowhere.format("bpf_htons"), "define it")
    assert "pcn_log" in loading_hint(nowhere.format("printf"), "define it")
    assert "define it" == loading_hint(nowhere.format("classify"), "define it")


def test_who_refuses_knows_best() -> None:
    assert "as I say" == OpenError("ingress", "the object is damaged", hint="as I say").hint
