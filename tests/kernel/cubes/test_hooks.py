"""The hook map says who is on an interface and who is reached; packets agree."""

from __future__ import annotations

import ctypes
import errno
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dynmon.api.hooks import hooks_of
from dynmon.bpf import Loader, LoadRequest, Program, ProgramType, _syscall, attach_tcx, attach_xdp, xdp_program_id
from dynmon.bpf.features import kernel_features
from dynmon.cubes import CubeRegistry
from dynmon.dataplane.dispatcher import Dispatcher
from dynmon.errors import KernelError
from dynmon.models import AttachRequest, CubeConfig, Direction
from tests.kernel.bpf.conftest import Counter, request_for
from tests.kernel.bpf.objects import COUNTER, TC_COUNTER
from tests.kernel.cubes.conftest import FRAME, document
from tests.kernel.cubes.monitors import CODE, METRIC
from tests.support import Veth, eventually, needs, run

BY_SIZE = "((struct __sk_buff *)ctx)->len > 1000 ? TC_ACT_OK : TC_ACT_UNSPEC"
DIRECTIONS = pytest.mark.parametrize("direction", [str(each) for each in Direction])
TCX = {"ingress": _syscall.TCX_INGRESS, "egress": _syscall.TCX_EGRESS}
PROG_ATTACH, PROG_DETACH = 8, 9


class Ours(NamedTuple):
    """How a cube of ours at tc is shown, by what the kernel has."""

    hook: str
    kind: str
    passing: str


OURS = Ours("tcx", "link", "TCX_NEXT") if kernel_features().has_tcx else Ours("clsact", "bpf", "TC_ACT_UNSPEC")

pytestmark = [needs("bpftool"), pytest.mark.usefixtures("no_leaks")]


class Here:
    """One interface, and everybody that a test puts on it; what each counted is found by its name."""

    def __init__(self, registry: CubeRegistry, veth: Veth, load: Callable[..., Counter], pins: Path) -> None:
        self.registry, self.veth, self.load, self.pins = registry, veth, load, pins
        self.index = socket.if_nametoindex(veth.host)
        self.counts: dict[str, Callable[[], int]] = {}

    def cube(self, name: str, verdict: str = "RX_OK", direction: str = "ingress", **place: Any) -> None:
        """A cube of ours, at the end of the chain or where `place` says."""
        path = {"name": name, "code": CODE % verdict, "metric-configs": [METRIC | place.pop("metric", {})]}
        created = self.registry.create(
            name, CubeConfig(dataplane_config=document({direction: path}), **place.pop("config", {}))
        )
        self.registry.attach(AttachRequest(cube=name, port=self.veth.host, **place))
        self.counts[name] = lambda: created.read_metric(Direction(direction), "packets", drain=False).value[0]

    def foreign(self, name: str, code: str = TC_COUNTER, **changes: Any) -> Program:
        """A program of somebody else."""
        counter = self.load(code, **changes)
        self.counts[name] = counter.packets
        return counter.program

    def filter(self, program: Program, direction: str, *words: str) -> None:
        """A filter of somebody else at clsact, as tc makes it."""
        run("tc", "qdisc", "replace", "dev", self.veth.host, "clsact")
        pin = self.pins / str(program.id)
        run("bpftool", "prog", "pin", "id", str(program.id), str(pin))
        run("tc", "filter", "add", "dev", self.veth.host, direction, *words, "pinned", str(pin))

    def map(self, direction: str = "ingress") -> list[dict[str, Any]]:
        """What the hook map says."""
        entries: list[dict[str, Any]] = hooks_of(self.registry, self.veth.host)[direction]
        assert list(range(len(entries))) == [entry["index"] for entry in entries]
        return entries

    def reached(self, direction: str = "ingress") -> list[bool | None]:
        return [entry["reached"] for entry in self.map(direction)]

    def check(self, expected: Mapping[str, int], direction: str = "ingress", count: int = 7) -> None:
        """Send packets, and see who counted how many."""
        self.veth.send(direction, FRAME, count=count)
        eventually(lambda: {name: self.counts[name]() for name in expected}, expected)


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    with Loader() as process:
        yield process


@pytest.fixture(scope="module", autouse=True)
def _everything_has_started(registry: CubeRegistry) -> None:
    """The first cube starts the compiler, and the first switch makes what waits for packets under way: both stay."""
    metric = METRIC | {"extraction-options": {"swap-on-read": True}}
    path = {"name": "first", "code": CODE % "RX_OK", "metric-configs": [metric]}
    cube = registry.create("first", CubeConfig(dataplane_config=document({"ingress": path})))
    cube.read_metric(Direction.INGRESS, "packets", drain=True)
    registry.delete("first")


@pytest.fixture
def here(registry: CubeRegistry, veth: Veth, loader: Loader) -> Iterator[Here]:
    loaded = []

    def load(code: str, **changes: Any) -> Counter:
        request: LoadRequest = request_for(code, **changes)
        loaded.append(loader.load(request))
        return Counter(loaded[-1])

    pins = Path("/sys/fs/bpf/hooks")
    pins.mkdir()
    yield Here(registry, veth, load, pins)
    for cube in registry.cubes():
        registry.delete(cube.name)
    for each in loaded:
        each.close()
    for pin in pins.iterdir():
        pin.unlink()
    pins.rmdir()


def returning(verdict: str) -> str:
    return COUNTER % ("tc", verdict)


def test_an_interface_without_anybody(here: Here) -> None:
    assert {"name": here.veth.host, "ingress": [], "egress": []} == hooks_of(here.registry, here.veth.host)


@needs("tcx")
@DIRECTIONS
def test_a_foreign_program_between_our_cubes(here: Here, direction: str) -> None:
    """What it accepts, nobody behind it sees: neither our other cube nor the filters."""
    cubes = [f"{direction}-{number}" for number in range(2)]
    here.cube(cubes[0], direction=direction)
    with attach_tcx(
        here.foreign("foreign", returning("TC_ACT_OK")),
        here.index,
        Direction(direction),
        interface_name=here.veth.host,
    ) as link:
        # Index 0 is nearest the wire, so of two cubes the second is the one behind in ingress only.
        here.cube(cubes[1], direction=direction, position="last" if direction == "ingress" else "first")
        here.filter(here.foreign("filter"), direction, "prio", "9", "bpf", "da")

        entries = here.map(direction)

        assert [cubes[0], None, cubes[1], None] == [entry.get("cube") for entry in entries]
        assert ["tcx", "tcx", "tcx", "clsact"] == [entry["hook"] for entry in entries]
        assert [True, True, False, False] == [entry["reached"] for entry in entries]
        assert (["TC_ACT_OK"], False, link.id) == tuple(entries[1][key] for key in ("verdicts", "passes", "link-id"))
        assert (["TCX_NEXT"], True) == tuple(entries[0][key] for key in ("verdicts", "passes"))
        because = f"(id {entries[1]['program-id']}) in front of it always returns TC_ACT_OK, which ends the chain"
        assert f"program 'dynmon_ingress' {because}" == entries[2]["note"] == entries[3]["note"]
        assert ("bpf", 9, "all", "0x1") == tuple(entries[3][key] for key in ("kind", "priority", "protocol", "handle"))
        here.check({cubes[0]: 7, "foreign": 7, cubes[1]: 0, "filter": 0}, direction)


def test_what_is_said_of_a_program_is_what_bpftool_says(here: Here) -> None:
    program = here.foreign("foreign")
    here.filter(program, "ingress", "bpf", "da")

    (entry,) = here.map()

    told = json.loads(run("bpftool", "-j", "prog", "show", "id", str(program.id)))
    assert (told["name"], told["tag"]) == (entry["name"], entry["tag"])
    loaded = run("date", "-u", "-d", f"@{told['loaded_at']}", "+%Y-%m-%dT%H:%M:%SZ").strip()
    assert abs(int(entry["loaded"][-3:-1]) - int(loaded[-3:-1])) in (0, 1, 59)


@needs("tcx")
def test_a_program_without_a_link(here: Here) -> None:
    """Attached the old way, by BPF_PROG_ATTACH."""
    program = here.foreign("foreign", returning("TC_ACT_PIPE"))
    with old_attachment(program, here.index, "ingress"):
        here.cube("behind")
        here.filter(here.foreign("filter"), "ingress", "bpf", "da")

        entries = here.map()

        assert ["program", "link", "bpf"] == [entry["kind"] for entry in entries]
        assert "link-id" not in entries[0]
        # tcx does not know the verdict: it ends there, and the filters run.
        assert [True, False, True] == [entry["reached"] for entry in entries]
        here.check({"foreign": 7, "behind": 0, "filter": 7})


@needs("tcx")
def test_a_verdict_that_depends_on_the_packet(here: Here) -> None:
    """Then it depends, for all behind."""
    program = here.foreign("foreign", returning(BY_SIZE))
    with attach_tcx(program, here.index, Direction.INGRESS, interface_name=here.veth.host):
        here.cube("behind")
        before, behind = here.map()

    assert (["TCX_NEXT", "TC_ACT_OK"], None) == (before["verdicts"], before["passes"])
    assert (None, f"only packets that program 'dynmon_ingress' (id {program.id}) let go on") == (
        behind["reached"],
        behind["note"],
    )


@pytest.mark.parametrize(
    ("verdict", "reached"),
    [("RX_OK", True), ("RX_DROP", False), ("*count & 1 ? RX_DROP : RX_OK", None), ("*count * 3", None)],
)
def test_behind_our_own_cube(here: Here, verdict: str, reached: bool | None) -> None:
    """A cube lets all packets go on unless its code says RX_DROP."""
    here.cube("first", verdict.replace("*count", "(count ? (int)*count : 0)"))
    here.cube("second")

    first, second = here.map()

    assert reached is second["reached"] is first["passes"]
    assert set(first["verdicts"]) <= {OURS.passing, "TC_ACT_SHOT"}
    if reached is None:
        assert "only packets that cube 'first' let go on" == second["note"]
    else:
        here.check({"first": 7, "second": 7 * reached})


@DIRECTIONS
@pytest.mark.parametrize(
    ("how", "verdict", "reached"),
    [
        (("bpf", "da"), "TC_ACT_UNSPEC", True),
        (("bpf", "da"), "TC_ACT_PIPE", True),
        (("bpf", "da"), "TC_ACT_OK", False),
        (("bpf", "da"), "TC_ACT_SHOT", False),
        (("protocol", "ip", "bpf", "da"), "TC_ACT_SHOT", None),
        (("bpf",), "0", True),
        (("bpf",), "-1", False),
    ],
)
def test_foreign_filters(here: Here, direction: str, how: tuple[str, ...], verdict: str, reached: bool | None) -> None:
    """One with direct action returns a verdict; one without matches what it does not return 0 for, and accepts it."""
    here.filter(here.foreign("first", returning(verdict)), direction, "prio", "1", *how)
    here.filter(here.foreign("second"), direction, "prio", "2", "bpf", "da")

    assert [True, reached] == here.reached(direction)
    for_ip = "ip" in how
    here.check({"first": 0 if for_ip else 7, "second": 7 if for_ip or reached else 0}, direction)


def test_a_filter_of_another_kind(here: Here) -> None:
    """What u32 matches, and then redirects, is not worked out."""
    run("tc", "qdisc", "add", "dev", here.veth.host, "clsact")
    redirect = ("action", "mirred", "egress", "redirect", "dev", here.veth.host)
    match = ("u32", "match", "u32", "0x7", "0xff", "flowid", "1:1")
    run("tc", "filter", "add", "dev", here.veth.host, "ingress", "prio", "4", "protocol", "all", *match, *redirect)
    here.filter(here.foreign("behind"), "ingress", "prio", "5", "bpf", "da")

    entries = here.map()

    assert ["u32", "bpf"] == [entry["kind"] for entry in entries]
    assert "only packets that the u32 filter of priority 4 let go on" == entries[1]["note"]
    here.check({"behind": 7})


def test_a_redirect_of_everything_ends_the_chain(here: Here) -> None:
    """A program without direct action that matches every packet, and an action that takes them elsewhere."""
    here.filter(here.foreign("first", returning("-1")), "ingress", "prio", "1", "bpf")
    run("tc", "filter", "del", "dev", here.veth.host, "ingress", "prio", "1")
    pin = next(here.pins.iterdir())
    action = ("action", "mirred", "ingress", "redirect", "dev", "lo")
    run("tc", "filter", "add", "dev", here.veth.host, "ingress", "prio", "1", "bpf", "pinned", str(pin), *action)
    here.filter(here.foreign("second"), "ingress", "prio", "2", "bpf", "da")

    assert [True, False] == here.reached()
    here.check({"first": 7, "second": 0})


def test_filters_of_one_priority_run_newest_first(here: Here) -> None:
    """As the kernel keeps them, whatever their handles."""
    for name, verdict, handle in (("first", "TC_ACT_OK", "1"), ("second", "TC_ACT_UNSPEC", "2")):
        here.filter(here.foreign(name, returning(verdict)), "ingress", "prio", "1", "handle", handle, "bpf", "da")

    assert ["0x2", "0x1"] == [entry["handle"] for entry in here.map()]
    assert [True, True] == here.reached()
    here.check({"first": 7, "second": 7})


def test_filters_of_another_chain(here: Here) -> None:
    """They wait for a filter to send packets there."""
    here.filter(here.foreign("elsewhere"), "ingress", "chain", "4", "bpf", "da")
    here.filter(here.foreign("here"), "ingress", "bpf", "da")

    entries = here.map()

    assert [None, 4] == [entry.get("chain") for entry in entries]
    assert (None, "only packets that a filter sends to chain 4") == (entries[1]["reached"], entries[1]["note"])
    here.check({"elsewhere": 0, "here": 7})


@pytest.mark.parametrize("mode", ["skb", "drv"])
@pytest.mark.parametrize(("verdict", "reached"), [("XDP_PASS", True), ("XDP_DROP", False)])
def test_foreign_xdp_comes_first(here: Here, mode: str, verdict: str, reached: bool) -> None:
    program = here.foreign("foreign", COUNTER % ("xdp", verdict), program_type=ProgramType.XDP)
    here.cube("cube")
    here.filter(here.foreign("filter"), "ingress", "bpf", "da")
    with attach_xdp(program, here.index, mode, interface_name=here.veth.host):
        entries = here.map()
        here.check({"foreign": 7, "cube": 7 * reached, "filter": 7 * reached})

    assert ["xdp", OURS.hook, "clsact"] == [entry["hook"] for entry in entries]
    assert ({"skb": "generic", "drv": "native"}[mode], [verdict]) == (entries[0]["kind"], entries[0]["verdicts"])
    assert [True, reached, reached] == [entry["reached"] for entry in entries]
    assert reached or f"XDP program 'dynmon_ingress' (id {program.id}) in front of it" in entries[2]["note"]


@pytest.mark.parametrize(("kind", "mode"), [("XDP_SKB", "generic"), ("XDP_DRV", "native")])
def test_our_cube_at_xdp(here: Here, kind: str, mode: str) -> None:
    here.cube("at-xdp", config={"type": kind})
    here.cube("at-tc")

    assert [("at-xdp", mode), ("at-tc", OURS.kind)] == [(entry["cube"], entry["kind"]) for entry in here.map()]
    assert [True, True] == here.reached()
    here.check({"at-xdp": 7, "at-tc": 7})


@pytest.mark.parametrize(("kind", "mode"), [("XDP_SKB", "generic"), ("XDP_DRV", "native")])
@pytest.mark.parametrize(
    ("verdict", "reached"), [("RX_OK", True), ("RX_DROP", False), ("(count && *count & 1) ? RX_DROP : RX_OK", None)]
)
def test_several_cubes_at_xdp(here: Here, kind: str, mode: str, verdict: str, reached: bool | None) -> None:
    """Each is shown behind the dispatcher that the interface has; what one lets pass, the next ones get."""
    config = {"type": kind}
    here.cube("second", verdict, config=config)
    here.cube("third", config=config)
    here.cube("first", config=config, position="first")
    here.cube("at-tc")

    entries = here.map()

    assert ["first", "second", "third", "at-tc"] == [entry["cube"] for entry in entries]
    assert [mode, mode, mode, "link"] == [entry["kind"] for entry in entries]
    dispatcher = xdp_program_id(here.index)
    assert [dispatcher] * 3 == [entry["dispatcher-id"] for entry in entries[:3]]
    assert "dispatcher-id" not in entries[3]
    assert 4 == len({dispatcher, *(entry["program-id"] for entry in entries[:3])})
    assert [True, True, reached, reached] == here.reached()
    if reached is None:
        assert ["only packets that cube 'second' let go on"] * 2 == [entry["note"] for entry in entries[2:]]
    else:
        here.check({"first": 7, "second": 7, "third": 7 * reached, "at-tc": 7 * reached})


def test_a_cube_that_swaps_in_a_chain_is_found_by_either_copy(here: Here) -> None:
    here.cube("swaps", config={"type": "XDP_SKB"}, metric={"extraction-options": {"swap-on-read": True}})
    here.cube("other", config={"type": "XDP_SKB"})
    seen = []
    for _ in range(3):
        swaps, other = here.map()
        assert ("swaps", "other") == (swaps["cube"], other["cube"])
        seen.append(swaps["program-id"])
        here.registry.get("swaps").read_metric(Direction.INGRESS, "packets", drain=True)

    assert seen[0] == seen[2] != seen[1]


def test_a_gap_in_a_chain_is_not_shown(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel had no memory for another dispatcher, the slot of who has left is empty."""
    for name in ("first", "gone", "last"):
        here.cube(name, config={"type": "XDP_SKB"})

    def refuse(*_: object) -> None:
        raise KernelError("make a map", OSError(errno.ENOMEM, "no memory"))

    with monkeypatch.context() as patch:
        patch.setattr(Dispatcher, "of", refuse)
        here.registry.delete("gone")
    del here.counts["gone"]

    assert ["first", "last"] == [entry["cube"] for entry in here.map()]
    here.check({"first": 7, "last": 7})


@pytest.mark.parametrize("without", [pytest.param("", marks=needs("tcx")), "tcx"])
def test_both_copies_of_a_swapping_path_are_ours(here: Here, without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read lets the other copy of the program run."""
    monkeypatch.setenv("DYNMON_WITHOUT", without)
    here.cube("swaps", metric={"extraction-options": {"swap-on-read": True}})
    seen = []
    for _ in range(3):
        (entry,) = here.map()
        assert ("swaps", "clsact" if without else "tcx") == (entry["cube"], entry["hook"])
        seen.append(entry["program-id"])
        here.registry.get("swaps").read_metric(Direction.INGRESS, "packets", drain=True)

    assert seen[0] == seen[2] != seen[1]


@DIRECTIONS
def test_our_filters_among_foreign_ones(here: Here, direction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a kernel without tcx we are a filter behind all others; one that accepts keeps us from everything."""
    monkeypatch.setenv("DYNMON_WITHOUT", "tcx")
    here.filter(here.foreign("before"), direction, "prio", "1", "bpf", "da")
    here.cube("ours", direction=direction)
    here.filter(here.foreign("behind"), direction, "prio", "65535", "bpf", "da")
    assert [(None, True), ("ours", True), (None, True)] == [
        (entry.get("cube"), entry["reached"]) for entry in here.map(direction)
    ]
    here.check({"before": 7, "ours": 7, "behind": 7}, direction)

    here.filter(here.foreign("end", returning("TC_ACT_OK")), direction, "prio", "2", "bpf", "da")

    assert [True, True, False, False] == here.reached(direction)
    here.check({"before": 14, "end": 7, "ours": 7, "behind": 7}, direction)


def test_a_copy_of_our_program_elsewhere_is_not_our_cube(here: Here) -> None:
    """Somebody may put the program of a cube into a filter of theirs."""
    here.cube("cube")
    (ours,) = here.map()
    run("tc", "qdisc", "replace", "dev", here.veth.host, "clsact")
    pin = here.pins / "copy"
    run("bpftool", "prog", "pin", "id", str(ours["program-id"]), str(pin))
    run("tc", "filter", "add", "dev", here.veth.host, "ingress", "bpf", "da", "pinned", str(pin))

    assert {(OURS.hook, "cube"), ("clsact", None)} == {(entry["hook"], entry.get("cube")) for entry in here.map()}
    here.check({"cube": 14})


UNPRIVILEGED = """
import json, sys
from dynmon.api.hooks import hooks_of
from dynmon.models import AttachRequest, CubeConfig, DataplaneConfig
from dynmon.monitor.workshop import Workshop
workshop = Workshop()
registry = workshop.enter()
config = DataplaneConfig.model_validate(json.loads(sys.argv[2]), by_alias=True)
registry.create("ours", CubeConfig(dataplane_config=config))
registry.attach(AttachRequest(cube="ours", port=sys.argv[1]))
print(json.dumps(hooks_of(registry, sys.argv[1])))
workshop.leave()
"""


@needs("tcx")
def test_without_cap_sys_admin_others_are_numbers(here: Here, repository: Path) -> None:
    """What is ours is known all the same, and the answer says what is missing."""
    program = here.foreign("foreign", returning("TC_ACT_OK"))
    path = {"ingress-path": {"name": "ours", "code": CODE % "RX_OK"}}
    with attach_tcx(program, here.index, Direction.INGRESS, interface_name=here.veth.host):
        command = ["setpriv", "--bounding-set", "-sys_admin", sys.executable, "-c", UNPRIVILEGED]
        answer = json.loads(
            subprocess.run(
                [*command, here.veth.host, json.dumps(path)], capture_output=True, text=True, check=True, cwd=repository
            ).stdout
        )

    foreign, ours = answer["ingress"]
    assert "without CAP_SYS_ADMIN" in answer["note"]
    assert (program.id, None) == (foreign["program-id"], foreign["passes"])
    assert not foreign.keys() & {"name", "tag", "loaded", "verdicts"}
    assert ("ours", "dynmon_ingress", ["TCX_NEXT"]) == tuple(ours[key] for key in ("cube", "name", "verdicts"))
    assert (None, f"only packets that program (id {program.id}) let go on") == (ours["reached"], ours["note"])


class _ProgramAttach(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("target_ifindex", "program_fd", "attach_type", "flags")] + [
        ("more", ctypes.c_uint64 * 2)
    ]


class old_attachment:  # noqa: N801 - reads as a function
    """A program at tcx for the length of a block, without a link."""

    def __init__(self, program: Program, index: int, direction: str) -> None:
        self.attributes = _ProgramAttach(index, program.fd, TCX[direction], 0)

    def __enter__(self) -> None:
        _syscall.bpf(PROG_ATTACH, self.attributes)

    def __exit__(self, *_: object) -> None:
        _syscall.bpf(PROG_DETACH, self.attributes)
