"""docs/reference/errors.md: the first version of each example is refused with the words above it, the second runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dynmon.cubes import CubeRegistry
from dynmon.errors import InjectionError
from tests.kernel.corpus.test_corpus import create
from tests.support import needs

pytestmark = needs("kernel", "clang")
DOCUMENT = (Path(__file__).parents[3] / "docs/reference/errors.md").read_text()
SECTION = re.compile(r"^### .*?`([^`]+)`[^\n]*\n.*?```c\n(.*?)```\n.*?```c\n(.*?)```", re.DOTALL | re.MULTILINE)
FRAME = re.search(r"```c\n(#include.*?)```", DOCUMENT, re.DOTALL)[1]
EXAMPLES = SECTION.findall(DOCUMENT)


def config(example: str) -> dict[str, object]:
    return {"ingress-path": {"code": FRAME.replace("/* the example */\n", example)}}


@pytest.mark.parametrize(("said", "before", "after"), EXAMPLES, ids=[said for said, _, _ in EXAMPLES])
def test_an_example_is_refused_and_then_runs(registry: CubeRegistry, said: str, before: str, after: str) -> None:
    """With a hint."""
    with pytest.raises(InjectionError) as caught:
        create(registry, "document", "TC", config(before))
    create(registry, "document", "TC", config(after))
    registry.delete("document")

    words = re.escape(re.sub(r"^R\d ", "", said))
    assert re.search(words, f"{caught.value.message} {getattr(caught.value, 'reason', '')}")
    assert caught.value.hint


def test_there_are_examples() -> None:
    """The document is read as it is meant."""
    assert len(re.findall("^### ", DOCUMENT, re.MULTILINE)) == len(EXAMPLES) == 12
