"""A metric that is split per interface: what each interface counted, wherever it comes from and goes to."""

from __future__ import annotations

import pytest

from dynmon.cubes import DynmonCube
from dynmon.cubes.errors import TokenForgotten
from dynmon.cubes.splits import DEPARTED, MOST_DEPARTED
from dynmon.errors import InjectionError
from dynmon.metrics import ExpositionFormat
from dynmon.models import BridgeConfig, CubeConfig, CubeType, Direction, LogLevel
from dynmon.models.simplebridge import PortConfig
from tests.expositions import text_of
from tests.kernel.cubes.interfaces import FRAME, attached, ip, make, send
from tests.kernel.cubes.monitors import CODE, Monitors, document
from tests.kernel.cubes.test_reads import code
from tests.support import eventually, open_descriptors, run, send_frames
from tests.switching import EVERYBODY, hosts

SPLIT = {"name": "packets", "map-name": "PACKETS", "per-interface": True}
AS_IT_IS, SWAP, EMPTY = {}, {"swap-on-read": True}, {"empty-on-read": True}
OPTIONS = pytest.mark.parametrize(
    "options", [AS_IT_IS, SWAP, EMPTY, SWAP | EMPTY], ids=["as-it-is", "swap", "empty", "both"]
)
HOOKS = pytest.mark.parametrize(
    ("kind", "without"),
    [(CubeType.TC, ""), (CubeType.TC, "tcx"), (CubeType.XDP_SKB, "")],
    ids=["tc", "clsact", "xdp"],
)
COUNTER = {"open-metrics-metadata": {"help": "packets", "type": "counter"}}

pytestmark = pytest.mark.usefixtures("wires")


def path(options: dict[str, bool] = AS_IT_IS, source: str = CODE % "RX_OK", **more: object) -> dict[str, object]:
    """Code that counts packets per interface."""
    return {"name": "split", "code": source, "metric-configs": [SPLIT | {"extraction-options": options, **more}]}


def monitor(
    monitors: Monitors, ingress: dict[str, object], *ports: str, kind: CubeType = CubeType.TC, name: str = "m"
) -> DynmonCube:
    cube = monitors.registry.create(name, CubeConfig(type=kind, dataplane_config=document({"ingress": ingress})))
    for port in ports:
        monitors.attach(name, port)
    return cube


def counts(cube: DynmonCube, *, drain: bool = True, since: str | None = None) -> dict[str, int]:
    """What a read gives by interface, in its order."""
    value = cube.read_metric(Direction.INGRESS, "packets", drain=drain, since=since).value
    return {each["interface"]: each["value"][0] for each in value}


def expect(cube: DynmonCube, **expected: int) -> None:
    eventually(lambda: counts(cube, drain=False), expected)


def series(cube: DynmonCube) -> dict[str, float]:
    lines = text_of(cube.open_metrics(ExpositionFormat.OPENMETRICS)).splitlines()
    return {name: float(value) for name, value in (each.rsplit(" ", 1) for each in lines if not each.startswith("#"))}


@OPTIONS
@HOOKS
def test_each_interface_has_its_own_count(monitors, monkeypatch, kind, without, options):
    monkeypatch.setenv("DYNMON_WITHOUT", without)
    make("w0", "w1", "w2")
    cube = monitor(monitors, path(options), "w2", "w0", "w1", kind=kind)
    for count, name in enumerate(("w0", "w1", "w2"), 3):
        send(name, count)

    expect(cube, w2=5, w0=3, w1=4)
    assert [("w2", 5), ("w0", 3), ("w1", 4)] == list(counts(cube).items())
    send("w1", 2)
    expected = {"w2": 0, "w0": 0, "w1": 2} if options.get("empty-on-read") else {"w2": 5, "w0": 3, "w1": 6}
    eventually(lambda: counts(cube, drain=False), expected)
    assert expected == counts(cube)


@OPTIONS
@HOOKS
def test_an_interface_that_is_left_keeps_its_count_and_goes_on_with_it(monitors, monkeypatch, kind, without, options):
    """Detached, deleted, come again by a name or by a selector; a counter never falls."""
    monkeypatch.setenv("DYNMON_WITHOUT", without)
    make("w0", "w1")
    cube = monitor(monitors, path(options, **COUNTER), "w0", "w1", kind=kind)
    name = 'packets_total{interface="%s"}'
    send("w0", 3)
    send("w1", 4)
    expect(cube, w0=3, w1=4)
    monitors.detach("m", "w0")
    send("w0", 9)
    expect(cube, w1=4, w0=3)
    monitors.attach("m", "w?")
    send("w0", 2)
    eventually(lambda: series(cube), {name % "w0": 5, name % "w1": 4})
    assert {"w1": 4, "w0": 5} == counts(cube)
    ip("link del w0")
    eventually(lambda: attached(monitors, "m"), ["w1"])
    make("w0")
    eventually(lambda: attached(monitors, "m"), ["w0", "w1"])
    send("w0", 1)

    eventually(lambda: series(cube), {name % "w0": 6, name % "w1": 4})
    assert ({"w1": 0, "w0": 1} if options.get("empty-on-read") else {"w1": 4, "w0": 6}) == counts(cube)


def test_a_renamed_interface_is_counted_under_its_new_name(monitors):
    """Which may have been that of one that has gone: its packets become those of the departed."""
    make("w0", "w1")
    cube = monitor(monitors, path(**COUNTER), "w0", "w1")
    send("w0", 3)
    send("w1", 4)
    expect(cube, w0=3, w1=4)
    ip("link set w0 name w2")
    expect(cube, w2=3, w1=4)
    assert {'packets_total{interface="w2"}': 3, 'packets_total{interface="w1"}': 4} == series(cube)
    ip("link del w1")
    eventually(lambda: attached(monitors, "m"), ["w2"])
    expect(cube, w2=3, w1=4)
    ip("link set w2 name w1")

    eventually(lambda: counts(cube, drain=False), {"w1": 3, DEPARTED: 4})


@pytest.mark.parametrize("options", [AS_IT_IS, SWAP])
def test_windows_since_a_token_go_on_when_an_interface_goes_and_comes(monitors, options):
    make("w0", "w1")
    cube = monitor(monitors, path(options), "w0")

    def window(token: str) -> tuple[dict[str, int], str]:
        reading = cube.read_metric(Direction.INGRESS, "packets", drain=True, since=token)
        assert reading.since
        return {each["interface"]: each["value"][0] for each in reading.value}, reading.since

    send("w0", 3)
    expect(cube, w0=3)
    first, token = window("")
    send("w0", 2)
    expect(cube, w0=5)
    monitors.detach("m", "w0")
    monitors.attach("m", "w1")
    send("w1", 4)
    expect(cube, w1=4, w0=5)
    second, token = window(token)
    monitors.attach("m", "w0")
    send("w0", 1)
    expect(cube, w1=4, w0=6)
    third, _ = window(token)

    assert [{"w0": 3}, {"w1": 4, "w0": 2}, {"w1": 0, "w0": 1}] == [first, second, third]


@OPTIONS
def test_of_many_that_have_gone_the_oldest_become_one(monitors, options):
    """Every packet is still in one of them, and tokens that would count some twice are forgotten."""
    gone = MOST_DEPARTED + 3
    make("w0")
    cube = monitor(monitors, path(options, **COUNTER), "w0")
    send("w0", 1)
    expect(cube, w0=1)
    token = cube.read_metric(Direction.INGRESS, "packets", drain=True, since="").since
    for number in range(gone):
        ip(f"link set w0 name w{number}a", f"link set w0-far name w{number}a-far")
        send(f"w{number}a", 1)
        eventually(lambda number=number: counts(cube, drain=False)[f"w{number}a"], 2 if number == 0 else 1)
        monitors.detach("m", f"w{number}a")
        ip(f"link set w{number}a name w0", f"link set w{number}a-far name w0-far")
        monitors.attach("m", "w0")

    seen = counts(cube, drain=False)
    assert [f"w{number}a" for number in range(3, gone)] == list(seen)[1:-1]
    assert {"w0": 0, **{f"w{number}a": 1 for number in range(3, gone)}, DEPARTED: 4} == seen
    assert gone + 1 == sum(series(cube).values())
    with pytest.raises(TokenForgotten):
        cube.read_metric(Direction.INGRESS, "packets", drain=True, since=token)
    assert gone + 1 == sum(counts(cube).values())


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("options", [AS_IT_IS, SWAP])
def test_a_hundred_interfaces_that_come_and_go_leave_nothing(monitors, options):
    """No descriptor, also where nobody reads; those that were seen are counted."""
    make("wc")
    cube = monitor(monitors, path(options), "wc*[0-9]", "wc")

    def churn(rounds: int) -> None:
        names = [f"wc{number}" for number in range(10)]
        for _ in range(rounds):
            make(*names)
            eventually(lambda: attached(monitors, "m"), sorted(["wc", *names]))
            for name in names:
                send(name, 1)
            ip(*(f"link del {name}" for name in names))
            eventually(lambda: attached(monitors, "m"), ["wc"])

    churn(1)
    before = len(open_descriptors())
    churn(9)
    eventually(lambda: len(open_descriptors()), before)
    assert {"wc": 0, **{f"wc{number}": 10 for number in range(10)}} == counts(cube)


def test_the_level_of_the_log_changes_and_each_goes_on(monitors):
    """The code is loaded anew on the very maps; new code begins anew, and code that is refused changes nothing."""
    make("w0", "w1", "w2")
    cube = monitor(monitors, path(SWAP), "w0", "w1", "w2")
    for count, name in enumerate(("w0", "w1", "w2"), 1):
        send(name, count)
    expect(cube, w0=1, w1=2, w2=3)
    monitors.detach("m", "w2")
    cube.set_loglevel(LogLevel.TRACE)
    send("w0", 4)
    expect(cube, w0=5, w1=2, w2=3)
    with pytest.raises(InjectionError):
        cube.inject(document({"ingress": path(SWAP, source="nonsense")}))
    assert {"w0": 5, "w1": 2, "w2": 3} == counts(cube)
    kept = cube.inject(document({"ingress": path(SWAP) | {"keep-maps": True}}))["ingress-path"]
    reason = "it is split per interface, or was: each interface begins anew"
    assert {"kept": [], "not-kept": [{"map": "PACKETS", "reason": reason}]} == kept
    send("w1", 6)

    expect(cube, w0=0, w1=6)


def test_metrics_that_are_split_and_others_of_one_program(monitors):
    """Totals of what is not split, whatever swaps; variables split together."""
    source = code(
        """BPF_HASH(SIZES, u32, u64, 16); BPF_ARRAY(ALL, u64, 1); BPF_ARRAY(SWAPPED, u64, 1); u64 seen; u64 bytes;""",
        """u32 zero = 0, size = md->packet_len; u64 none = 0, *n = SIZES.lookup_or_try_init(&size, &none);
        if (n) __sync_fetch_and_add(n, 1);
        if ((n = ALL.lookup(&zero))) __sync_fetch_and_add(n, 1);
        if ((n = SWAPPED.lookup(&zero))) __sync_fetch_and_add(n, 1);
        __sync_fetch_and_add(&seen, 1); __sync_fetch_and_add(&bytes, size);""",
    )
    metrics = [
        {"name": "sizes", "map-name": "SIZES", "per-interface": True, "extraction-options": EMPTY},
        {"name": "all", "map-name": "ALL"},
        {"name": "swapped", "map-name": "SWAPPED", "extraction-options": SWAP},
        {"name": "seen", "variable": "seen", "per-interface": True},
        {"name": "bytes", "variable": "bytes", "per-interface": True, "extraction-options": SWAP},
    ]
    make("w0", "w1")
    cube = monitor(monitors, {"name": "mixed", "code": source, "metric-configs": metrics}, "w0", "w1")
    for turn in (1, 2, 3):
        send("w0", 2)
        send("w1", 3)
        eventually(lambda: cube.read_metric(Direction.INGRESS, "all", drain=False).value[0], 5 * turn)
        by_name = {each.name: each.value for each in cube.read(Direction.INGRESS, drain=True)}
        assert [5 * turn] == by_name["all"] == by_name["swapped"]
        assert [("w0", [{"key": 60, "value": 2}]), ("w1", [{"key": 60, "value": 3}])] == [
            (each["interface"], each["value"]) for each in by_name["sizes"]
        ]
        assert [[2 * turn], [3 * turn]] == [each["value"] for each in by_name["seen"]]
        assert [[120 * turn], [180 * turn]] == [each["value"] for each in by_name["bytes"]]


def test_a_port_keeps_its_count_while_it_is_plugged_into_nothing(monitors):
    with hosts(2) as (one, other):
        ports = tuple(PortConfig(name=f"p{number}", peer=each.interface) for number, each in enumerate((one, other)))
        monitors.registry.create_bridge("br1", BridgeConfig(ports=ports))
        cube = monitor(monitors, path(SWAP), "br1:p0", "br1:p1")
        one.send(EVERYBODY)
        other.send(EVERYBODY)
        other.send(EVERYBODY)
        eventually(lambda: counts(cube), {"br1:p0": 1, "br1:p1": 2})
        port = monitors.registry.bridge("br1")
        port.set_peer("p0", "")
        cube.set_loglevel(LogLevel.TRACE)
        assert {"br1:p0": 1, "br1:p1": 2} == counts(cube)
        port.set_peer("p0", one.interface)
        one.send(EVERYBODY)

        eventually(lambda: counts(cube), {"br1:p0": 2, "br1:p1": 2})


def test_an_interface_of_another_namespace_has_the_name_that_was_asked_for(monitors):
    run("ip", "netns", "add", "blue")
    try:
        make("w0")
        ip("link set w0-far netns blue name w0")
        run("ip", "-n", "blue", "link", "set", "w0", "up")
        cube = monitor(monitors, path(SWAP, **COUNTER), "w0", "netns/blue/w0")
        send_frames("w0", (FRAME,), 3)
        eventually(lambda: counts(cube), {"w0": 0, "netns/blue/w0": 3})
        assert {'packets_total{interface="w0"}': 0, 'packets_total{interface="netns/blue/w0"}': 3} == series(cube)
    finally:
        run("ip", "netns", "del", "blue")


@HOOKS
def test_code_that_is_split_and_code_that_is_not_take_each_others_place(monitors, monkeypatch, kind, without):
    """And the hook map knows the program of each interface."""
    monkeypatch.setenv("DYNMON_WITHOUT", without)
    make("w0", "w1")
    cube = monitor(monitors, path(SWAP), "w0", "w1", kind=kind)
    whole = path(SWAP) | {"metric-configs": [{"name": "packets", "map-name": "PACKETS"}]}
    for config in (path(SWAP), whole, path(SWAP)):
        cube.inject(document({"ingress": config}))
        send("w0", 2)
        send("w1", 3)
        entries = [monitors.registry.placing.hooks(name)[Direction.INGRESS] for name in ("w0", "w1")]
        assert ["m", "m"] == [entry.cube for (entry,) in entries]
        programs = {entry.occupant.program.id for (entry,) in entries}
        if config is whole:
            assert 1 == len(programs)
            eventually(lambda: cube.read_metric(Direction.INGRESS, "packets", drain=True).value, [5])
        else:
            assert 2 == len(programs)
            expect(cube, w0=2, w1=3)
