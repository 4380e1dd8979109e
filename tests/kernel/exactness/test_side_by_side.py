"""Reads stay exact beside other metrics, other readers and the other path."""

from __future__ import annotations

import pytest

from dynmon.models import Direction
from tests.kernel.exactness.counting import CODES, HOOKS, OPTIONS, REPEAT, total
from tests.kernel.exactness.reading import KINDS, Place, WireTo, flood_and_read, grows, metric, reads

INGRESS, EGRESS = Direction
# Both paths count in one map, which the ingress path declares.
SHARED = {
    INGRESS: CODES["array"].replace("BPF_ARRAY(COUNTS, u64,", 'BPF_TABLE_SHARED("array", u32, u64, COUNTS,'),
    EGRESS: CODES["array"].replace("BPF_ARRAY(COUNTS, u64,", 'BPF_TABLE("extern", u32, u64, COUNTS,'),
}


@KINDS
def test_metrics_of_one_map_do_not_disturb_one_another(place: Place, wire_to: WireTo, kind: str) -> None:
    """Moments and two kinds of windows of one map, each read by somebody else."""
    hook = HOOKS["ingress-tc"]
    wire = wire_to(hook)
    options = {"moments": "swap", "windows": "swap+empty", "others": "empty"}
    metrics = [metric(name, each) for name, each in options.items()]
    cube = place(hook, {"ingress-path": {"code": CODES[kind], "metric-configs": metrics}})
    readers = {name: reads(cube, INGRESS, name) for name in options}

    sent = 0
    for _ in range(REPEAT):
        packets, found = flood_and_read([wire], readers)
        sent += packets
        assert packets == sum(found["windows"]) == sum(found["others"])
        assert grows([sent - packets, *found["moments"]])
        assert sent == found["moments"][-1]


@KINDS
def test_every_count_goes_to_one_of_two_readers(place: Place, wire_to: WireTo, kind: str) -> None:
    """Two who read the same windows share them."""
    hook = HOOKS["egress-tc"]
    wire = wire_to(hook)
    cube = place(hook, {"egress-path": {"code": CODES[kind], "metric-configs": [metric("windows", "swap+empty")]}})
    read = reads(cube, EGRESS, "windows")

    for _ in range(REPEAT):
        packets, found = flood_and_read([wire], {"one": read, "other": read})
        assert packets == sum(found["one"]) + sum(found["other"])


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("types", ["tc", "xdp_drv"])
def test_a_map_that_both_paths_share_has_the_packets_of_both(
    place: Place, wire_to: WireTo, types: str, options: str
) -> None:
    """What one path counts meanwhile is in the same windows as what the other does."""
    hooks = [HOOKS[f"{direction}-{types}"] for direction in Direction]
    wires = [wire_to(hook) for hook in hooks]
    metrics = [metric("counts", options)]
    paths = {each.path_name: {"code": SHARED[each], "metric-configs": metrics} for each in Direction}
    cube = place(hooks[0], paths)

    sent = 0
    for _ in range(REPEAT):
        packets, found = flood_and_read(wires, {each: reads(cube, each, "counts") for each in Direction})
        sent += packets
        for values in found.values():
            if options == "swap":
                assert grows([sent - packets, *values])
                assert sent == values[-1]
            else:
                assert packets == sum(values)


def test_both_paths_are_read_at_one_moment(place: Place, wire_to: WireTo) -> None:
    """All metrics of a read of both paths have one timestamp, and nothing of either path is lost."""
    hooks = [HOOKS[f"{direction}-tc"] for direction in Direction]
    wires = [wire_to(hook) for hook in hooks]
    metrics = [metric("windows", "swap+empty"), metric("moments", "swap")]
    paths = {each.path_name: {"code": CODES["percpu_array"], "metric-configs": metrics} for each in Direction}
    cube = place(hooks[0], paths)
    timestamps: list[set[int]] = []
    windows = dict.fromkeys(Direction, 0)
    moments = dict.fromkeys(Direction, 0)

    def read() -> int:
        found = cube.read_all(drain=True)
        timestamps.append({each.timestamp for readings in found.values() for each in readings})
        for direction, readings in found.items():
            windows[direction] += total(readings[0].value)
            assert windows[direction] == total(readings[1].value) >= moments[direction]
            moments[direction] = total(readings[1].value)
        return sum(windows.values())

    sent = 0
    for _ in range(REPEAT):
        packets, found = flood_and_read(wires, {"all": read})
        sent += packets
        assert sent == found["all"][-1]
    assert all(len(each) == 1 for each in timestamps)
    assert grows([moment for each in timestamps for moment in each])
