"""What cannot be split per interface, and what the kernel refuses to a metric that is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynmon.bpf import BpfLink, LoadError
from dynmon.cubes.errors import SplitWithPages
from dynmon.errors import InjectionError, KernelError
from dynmon.metrics import Page
from dynmon.models import CubeType, Direction, LogLevel
from dynmon.settings import MapLimits
from dynmon.trial import Rehearsal
from tests.kernel.cubes.interfaces import make, send
from tests.kernel.cubes.monitors import CODE, document
from tests.kernel.cubes.test_failures import taken_away
from tests.kernel.cubes.test_reads import code
from tests.kernel.cubes.test_splits import COUNTER, EMPTY, SPLIT, SWAP, counts, expect, monitor, path
from tests.support import needs

pytestmark = pytest.mark.usefixtures("wires")


def test_copies_for_all_interfaces_count_as_memory_of_the_path(monitors):
    make("w0", "w1", "w2")
    large = CODE.replace("u64, 1)", "u64, 256 * 1024)") % "RX_OK"  # 2 MiB
    cube = monitor(monitors, path(source=CODE % "RX_OK"))
    limits = MapLimits(total_bytes=7 << 20)
    cube._foundry = cube._dataplane._foundry = replace(cube._foundry, map_limits=limits)
    cube.inject(document({"ingress": path(source=large)}))
    monitors.attach("m", "w0")
    monitors.attach("m", "w1")
    with pytest.raises(LoadError, match="8 MiB of kernel memory, 7 MiB are allowed: those that are split per interf"):
        monitors.attach("m", "w2")
    monitors.attach("m", "w?")
    assert [("w0", "attached"), ("w1", "attached"), ("w2", "refused")] == monitors.states("m")
    with pytest.raises(LoadError, match="12 MiB of kernel memory"):
        cube.inject(document({"ingress": path(SWAP, source=large)}))
    send("w0", 2)

    expect(cube, w0=2, w1=0)


def test_a_split_metric_is_not_paged(monitors):
    cube = monitor(monitors, path())
    with pytest.raises(SplitWithPages, match="leave limit out"):
        cube.read_metric(Direction.INGRESS, "packets", drain=True, page=Page(1))
    assert {} == counts(cube)


@pytest.mark.parametrize(
    ("declaration", "more", "reason"),
    [
        ('BPF_TABLE_PUBLIC("array", u32, u64, PACKETS, 1);', {}, "it is public: other cubes count in it"),
        ('BPF_TABLE_SHARED("array", u32, u64, PACKETS, 1);', {}, "the other path counts in it, too"),
        ("BPF_QUEUE(PACKETS, u64, 4);", {}, "the values of a queue have one order"),
        ("BPF_ARRAY(PACKETS, u64, 1);", {"initial-entries": {"PACKETS": [{"key": 0, "value": 7}]}}, "initial-entries"),
        (
            "BPF_ARRAY(PACKETS, u64, 1);",
            {"metric-configs": [SPLIT, {"name": "whole", "map-name": "PACKETS"}]},
            "'whole' reads it as a whole",
        ),
    ],
)
def test_what_cannot_be_split_says_why(monitors, declaration, more, reason):
    body = "PACKETS.push(&one, 0);" if "QUEUE" in declaration else "u32 zero = 0; PACKETS.update(&zero, &one);"
    with pytest.raises(InjectionError, match=reason):
        monitor(monitors, path(source=code(declaration, f"u64 one = 1; {body}")) | more)


def test_a_trial_refuses_what_an_injection_would(monitors):
    """And says the same; what it takes is shown with its label."""
    cube = monitor(monitors, path())
    mixed = {"metric-configs": [SPLIT, {"name": "whole", "map-name": "PACKETS"}]}
    with pytest.raises(InjectionError, match="'whole' reads it as a whole"):
        cube.rehearse(Rehearsal(document({"ingress": path() | mixed}), CubeType.TC, LogLevel.INFO))
    told = cube.rehearse(Rehearsal(document({"ingress": path(**COUNTER)}), CubeType.TC, LogLevel.INFO))

    assert ["interface"] == told["explanation"]["ingress-path"]["metrics"][0]["labels"]


@pytest.mark.parametrize("options", [SWAP, EMPTY], ids=["swap", "empty"])
def test_a_switch_that_is_refused_for_one_interface_is_taken_back_for_all(monitors, options):
    make("w0", "w1")
    cube = monitor(monitors, path(options), "w0", "w1")
    send("w0", 2)
    send("w1", 3)
    expect(cube, w0=2, w1=3)
    lane = cube._dataplane.attachments[1].lanes[Direction.INGRESS]
    with taken_away(lane.idle.program.fd), pytest.raises(KernelError, match="replace the program at 'w1'"):
        counts(cube)
    send("w0", 1)
    expect(cube, w0=3, w1=3)

    assert {"w0": 3, "w1": 3} == counts(cube)


@needs("tcx")
def test_a_lane_that_can_neither_be_switched_nor_switched_back_loses_nothing(monitors, monkeypatch):
    make("w0", "w1")
    cube = monitor(monitors, path(EMPTY), "w0", "w1")
    first, second = (each.links[Direction.INGRESS] for each in cube._dataplane.attachments)
    send("w0", 4)
    expect(cube, w0=4, w1=0)
    descriptor = first.fd

    def update_once(program):
        BpfLink.update(first, program)
        first.fd = second.fd

    with monkeypatch.context() as patch:
        patch.setattr(first, "update", update_once)
        with taken_away(second.fd), pytest.raises(KernelError):
            counts(cube)
    first.fd = descriptor
    send("w0", 5)

    expect(cube, w0=9, w1=0)
    assert {"w0": 9, "w1": 0} == counts(cube)
