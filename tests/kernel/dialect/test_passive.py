"""Code that only looks is taken by passive cubes as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynmon.bpf import LoadedObject, LoadRequest
from dynmon.models import Direction, Hook
from tests.kernel.dialect.conftest import HANDLER, PASS, PROGRAM_TYPES, Dialect
from tests.packets import ethernet, ipv4, udp
from tests.support import needs

pytestmark = needs("kernel", "clang")
both_hooks = pytest.mark.parametrize("hook", list(Hook))
EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/*.c"))
PACKET = ethernet(ipv4(udp(bytes(18), sport=40000, dport=53)))
ANOMALIES, WITHHELD_DROPS = bytes(4), bytes([1, 0, 0, 0])


def load(dialect: Dialect, source: str, hook: Hook) -> LoadedObject:
    """The code of a passive cube; clang has nothing to say about it."""
    artifact = dialect.compiler.compile(source, Direction.INGRESS, hook, passive=True)
    assert () == artifact.warnings
    request = LoadRequest(
        artifact.object, artifact.program or "", PROGRAM_TYPES[hook], "ingress", 1 << 28, proof=artifact.proof
    )
    return dialect.stack.enter_context(dialect.loader.load(request))


@both_hooks
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_passive(dialect: Dialect, example: Path, hook: Hook) -> None:
    """And lets every packet pass."""
    loaded = load(dialect, example.read_text(), hook)

    assert PASS[hook] == loaded.program.test_run(PACKET, repeat=3).verdict


@both_hooks
@pytest.mark.parametrize(("verdict", "anomalies", "withheld"), [("RX_DROP", 0, 3), ("RX_ERROR", 3, 0), ("-1", 3, 0)])
def test_what_is_not_done_is_counted(dialect: Dialect, hook: Hook, verdict: str, anomalies: int, withheld: int) -> None:
    """Each packet passes."""
    loaded = load(dialect, f"{HANDLER} {{ return {verdict}; }}", hook)
    result = loaded.program.test_run(PACKET, repeat=3)
    counts = [loaded.maps["dynmon_anomalies"].lookup(key) for key in (ANOMALIES, WITHHELD_DROPS)]

    assert PASS[hook] == result.verdict
    assert [anomalies, withheld] == [sum(memoryview(each).cast("Q")) for each in counts if each]


@both_hooks
def test_the_handler_cannot_reach_what_is_put_back(dialect: Dialect, hook: Hook) -> None:
    """It lies in the caller's frame and registers; the packet comes out as it came in."""
    body = """
	char *stack = (char *)md;
	asm volatile("" : "+r"(stack));
	for (int i = -8; i < 0; i++)
		*(volatile u64 *)(stack + 8 * i) = 7;
	asm volatile("r6 = 7; r7 = 7; r8 = 7; r9 = 7" : : : "r6", "r7", "r8", "r9");
	return RX_DROP;
"""
    loaded = load(dialect, f"{HANDLER} {{ {body} }}", hook)
    result = loaded.program.test_run(PACKET, repeat=1)

    assert (PASS[hook], PACKET) == (result.verdict, result.packet)
