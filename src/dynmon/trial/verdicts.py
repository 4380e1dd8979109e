"""What a program's return value does to the packet, and how the kernel or the dialect calls it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dynmon.compiler import Spelling
from dynmon.models import Hook

PASS, DROP, REDIRECT, TRANSMIT, ABORT = "pass", "drop", "redirect", "transmit", "abort"

# include/uapi/linux/pkt_cls.h and bpf.h. At tcx, everything but these lets the packet go on.
TC_NAMES = {
    -1: "TC_ACT_UNSPEC",
    0: "TC_ACT_OK",
    1: "TC_ACT_RECLASSIFY",
    2: "TC_ACT_SHOT",
    3: "TC_ACT_PIPE",
    4: "TC_ACT_STOLEN",
    5: "TC_ACT_QUEUED",
    6: "TC_ACT_REPEAT",
    7: "TC_ACT_REDIRECT",
    8: "TC_ACT_TRAP",
}
TC_EFFECTS = {2: DROP, 7: REDIRECT}
XDP_NAMES = {0: "XDP_ABORTED", 1: "XDP_DROP", 2: "XDP_PASS", 3: "XDP_TX", 4: "XDP_REDIRECT"}
XDP_EFFECTS = {1: DROP, 2: PASS, 3: TRANSMIT, 4: REDIRECT}
NAMES = {Hook.TC: TC_NAMES, Hook.XDP: XDP_NAMES}
DIALECT_NAMES = {PASS: "RX_OK", DROP: "RX_DROP"}
ANOMALY = "neither RX_OK nor RX_DROP"
WITHHELD = "RX_DROP, which a passive cube does not do"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happened to so many packets, and what the code returned for them."""

    verdict: str
    returned: str
    packets: int


def verdicts(
    returned: Mapping[int, int], hook: Hook, spelling: Spelling, anomalies: int, withheld: int = 0
) -> Iterator[Verdict]:
    """The verdicts behind the counted return values, most frequent first.

    Code in the dialect returns RX_OK or RX_DROP; what else it returned, `anomalies` times, let the packet pass.
    So did RX_DROP, `withheld` times, in a passive cube.
    """
    for value, packets in sorted(returned.items(), key=lambda item: -item[1]):
        verdict = _effect(value, hook)
        if spelling is not Spelling.DIALECT:
            yield Verdict(verdict, NAMES[hook].get(value, str(value)), packets)
            continue
        odd = {ANOMALY: anomalies, WITHHELD: withheld} if verdict == PASS else {}
        if packets > sum(odd.values()):
            yield Verdict(verdict, DIALECT_NAMES[verdict], packets - sum(odd.values()))
        for answer, count in odd.items():
            if count:
                yield Verdict(verdict, answer, count)


def _effect(value: int, hook: Hook) -> str:
    return TC_EFFECTS.get(value, PASS) if hook is Hook.TC else XDP_EFFECTS.get(value, ABORT)
