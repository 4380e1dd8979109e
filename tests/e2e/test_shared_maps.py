"""Maps that code shares: between the paths of a cube, between cubes, and with whoever pinned them; counted exactly."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from dynmon.client import ApiError, DynmonClient
from tests.daemon import running_daemon
from tests.support import eventually, needs, run
from tests.unit.trial.capture_files import pcap

pytestmark = needs("kernel", "clang", "bpftool")

FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)
COUNTER = """
%s;
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	ALL.increment(0, %d);
	return RX_OK;
}
"""
DECLARED = 'BPF_TABLE_{}("array", u32, u64, ALL, 1)'
EXTERN = 'BPF_TABLE("extern", u32, u64, ALL, 1)'
SHARED, PUBLIC = DECLARED.format("SHARED"), DECLARED.format("PUBLIC")
METRIC = {"name": "all", "map-name": "ALL"}


def path(declaration, step=1):
    """Code that counts packets in steps, so that a sum tells who counted."""
    return {"code": COUNTER % (declaration, step), "metric-configs": [METRIC]}


def count(client, cube="monitor", direction="ingress"):
    [value] = client.metric_value(cube, direction, "all")
    return value


def make(client, veth, cube, ingress, egress=None):
    """An attached cube."""
    paths = {"ingress-path": ingress, **({"egress-path": egress} if egress else {})}
    client.create(cube, {"dataplane-config": paths})
    client.attach(cube, veth.host)


def test_both_paths_count_in_a_shared_map(client, veth):
    """Seven in, five out."""
    make(client, veth, "monitor", path(SHARED), path(EXTERN, 100))
    veth.send_in(FRAME, count=7)
    veth.send_out(FRAME, count=5)

    for direction in ("ingress", "egress"):
        eventually(lambda way=direction: count(client, direction=way), 507)


def test_cubes_count_in_a_public_map(client, veth):
    """Each sees what the other counted, and where the owner is deleted the user goes on, exactly."""
    make(client, veth, "owner", path(PUBLIC))
    make(client, veth, "user", path(EXTERN, 100))
    veth.send_in(FRAME, count=7)
    for cube in ("owner", "user"):
        eventually(lambda name=cube: count(client, name), 707)

    client.delete("owner")
    veth.send_in(FRAME, count=3)

    eventually(lambda: count(client, "user"), 1007)


@pytest.fixture
def pin():
    """A map of somebody else's."""
    with tempfile.TemporaryDirectory(prefix="dynmon-test-", dir="/sys/fs/bpf") as folder:
        place = Path(folder) / "counts"
        run("bpftool", *f"map create {place} type array key 4 value 8 entries 1 name counts".split())
        yield place


def pinned(place, leaf="u64"):
    return f'BPF_TABLE_PINNED("array", u32, {leaf}, ALL, 1, "{place}")'


def test_a_pinned_map_is_counted_in(client, veth, pin):
    """Whoever pinned it sees the counts, and has them when the cube has gone."""
    make(client, veth, "monitor", path(pinned(pin)), path(pinned(pin), 100))
    veth.send_in(FRAME, count=7)
    veth.send_out(FRAME, count=5)
    eventually(lambda: count(client), 507)
    client.delete("monitor")

    [entry] = json.loads(run("bpftool", "-j", "map", "dump", "pinned", str(pin)))
    assert 507 == int.from_bytes(bytes(int(byte, 16) for byte in entry["value"]), "little")


def test_a_pinned_map_of_another_size_is_refused(client, pin):
    with pytest.raises(ApiError, match="'ALL' is declared with values of 4 bytes, but the existing map has 8"):
        client.create("monitor", {"dataplane-config": {"ingress-path": path(pinned(pin, "u32"))}})


def test_maps_are_taken_from_below_the_allowed_folders_only(client, pin):
    """Wherever the path leads to."""
    for place in ("/etc/passwd", f"{pin}/../../../../../etc/passwd", "/sys/fs/missing"):
        with pytest.raises(ApiError, match="which is not below /sys/fs/bpf") as caught:
            client.create("monitor", {"dataplane-config": {"ingress-path": path(pinned(place))}})
        assert "--pin-root" in caught.value.fields()["hint"]
    with pytest.raises(ApiError, match=f"map not found: 'ALL' should be pinned at '{pin}2'"):
        client.create("monitor", {"dataplane-config": {"ingress-path": path(pinned(f"{pin}2"))}})


def test_the_allowed_folders_are_an_option(state_root, pin):
    """In place of /sys/fs/bpf, and as many as there are options."""
    other = pin.parent / "other"
    other.mkdir()
    roots = ("--pin-root", str(other), "--pin-root", str(pin.parent / "counts"))
    with running_daemon(state_root / "roots", *roots) as daemon, DynmonClient(daemon.url) as client:
        client.create("monitor", {"dataplane-config": {"ingress-path": path(pinned(pin))}})
        with pytest.raises(ApiError, match=f"which is not below {other} or {pin}"):
            client.create("second", {"dataplane-config": {"ingress-path": path(pinned("/sys/fs/bpf/any"))}})


def test_a_public_map_is_shared_by_the_paths_of_its_cube(client, veth):
    """It follows to the new one as with a shared map."""
    make(client, veth, "monitor", path(PUBLIC), path(EXTERN, 100))
    veth.send_in(FRAME, count=7)
    veth.send_out(FRAME, count=5)
    eventually(lambda: count(client), 507)

    client.inject("monitor", {"ingress-path": path(PUBLIC)})
    veth.send_out(FRAME)
    eventually(lambda: count(client), 100)
    assert 100 == count(client, direction="egress")


def test_an_extern_of_nobody_comes_with_what_there_is(client, veth):
    """Of the cube's other path, and of the daemon."""
    make(client, veth, "owner", path(PUBLIC.replace("ALL", "EVERY") + ";\n" + SHARED))
    make(client, veth, "monitor", path(SHARED))
    with pytest.raises(ApiError, match="reference to undefined table 'AL'") as caught:
        client.inject(
            "monitor", {"egress-path": {"code": COUNTER.replace("ALL", "AL") % (EXTERN.replace("ALL", "AL"), 1)}}
        )

    assert "shared by the cube's other path: ALL; public: EVERY (cube 'owner')" in str(caught.value)
    assert "did you mean 'ALL'?" in caught.value.fields()["hint"]


FIELDS = "struct pair {{ u32 {}; u32 {}; }};\n"


def pair(declaration, *names):
    """Code whose map has values of two fields."""
    source = FIELDS.format(*names) + declaration.replace("u64", "struct pair")
    return {"code": f"{source};\nint handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) {{ return RX_OK; }}"}


@pytest.mark.parametrize("declaration", [SHARED, PUBLIC])
def test_an_extern_of_other_fields_is_refused(client, declaration):
    """The sizes are the same; nothing of the running code changes."""
    client.create("monitor", {"dataplane-config": {"ingress-path": pair(declaration, "first", "second")}})
    cube = "monitor" if declaration == SHARED else "other"
    if cube == "other":
        client.create(cube)
    with pytest.raises(ApiError, match="in its value, field 'packets' stands where the other has 'first'") as caught:
        client.inject(cube, {"egress-path": pair(EXTERN, "packets", "second")})
    assert ("check", "egress-path", "ALL") == tuple(caught.value.fields()[key] for key in ("stage", "path", "map"))
    client.inject(cube, {"egress-path": pair(EXTERN, "first", "second")})


def test_who_declares_a_public_map_in_use_goes_on_in_it(client, veth):
    """Whatever becomes of its owner there is one map of the name, until nobody uses it."""
    make(client, veth, "owner", path(PUBLIC))
    make(client, veth, "user", path(EXTERN, 100))
    veth.send_in(FRAME, count=2)
    eventually(lambda: count(client, "user"), 202)

    client.inject("owner", {"ingress-path": path(PUBLIC, 10)})
    veth.send_in(FRAME)
    eventually(lambda: count(client, "user"), 312)
    client.delete("owner")
    make(client, veth, "late", path(EXTERN, 1000))
    make(client, veth, "heir", path(PUBLIC))
    veth.send_in(FRAME)
    for cube in ("user", "late", "heir"):
        eventually(lambda name=cube: count(client, name), 1413)

    for cube in ("user", "heir", "late"):
        client.delete(cube)
    with pytest.raises(ApiError, match="undefined table 'ALL'"):
        client.create("user", {"dataplane-config": {"ingress-path": path(EXTERN)}})
    client.create("owner", {"dataplane-config": {"ingress-path": path(PUBLIC)}})
    assert 0 == count(client, "owner")


def test_a_public_map_in_use_does_not_change(client, veth):
    """The refusal names who uses it; when they have gone, it may."""
    make(client, veth, "owner", path(PUBLIC))
    make(client, veth, "user", path(EXTERN, 100))
    wider = path(PUBLIC.replace("ALL, 1", "ALL, 2"))
    for attempt in (client.inject, client.explain):
        with pytest.raises(
            ApiError, match="'ALL' is in use by 'user' and cannot change: it has 2 entries, not 1"
        ) as caught:
            attempt("owner", {"ingress-path": wider})
        assert ["user"] == caught.value.fields()["users"]
    veth.send_in(FRAME)
    eventually(lambda: count(client, "owner"), 101)

    client.inject("user", {"ingress-path": path(SHARED)})
    client.inject("owner", {"ingress-path": wider})
    assert [0, 0] == client.metric_value("owner", "ingress", "all")


def test_a_refused_injection_takes_no_public_map_away(client, veth):
    """What is refused after it was loaded changes nothing: not who declares, not who uses."""
    make(client, veth, "owner", path(PUBLIC))
    make(client, veth, "user", path(EXTERN, 100))
    nothing = {
        **path(SHARED.replace("ALL", "OWN")),
        "code": COUNTER.replace("ALL", "OWN") % (SHARED.replace("ALL", "OWN"), 1),
    }
    for cube in ("owner", "user"):
        with pytest.raises(ApiError, match="'ALL'"):
            client.inject(cube, {"ingress-path": nothing})
    client.delete("owner")
    veth.send_in(FRAME)
    eventually(lambda: count(client, "user"), 100)
    client.create("heir", {"dataplane-config": {"ingress-path": path(PUBLIC)}})
    assert 100 == count(client, "heir")


def test_egress_may_declare_what_ingress_refers_to(client, veth):
    """The other way round, too; also when one of the two is replaced, and the other follows to the new map."""
    make(client, veth, "monitor", path(EXTERN, 100), path(SHARED))
    veth.send_in(FRAME, count=7)
    veth.send_out(FRAME, count=5)
    eventually(lambda: count(client), 705)

    client.inject("monitor", {"egress-path": path(SHARED)})
    assert 0 == count(client)
    veth.send_in(FRAME)
    eventually(lambda: count(client, direction="egress"), 100)
    client.inject("monitor", {"ingress-path": path(EXTERN)})
    assert 100 == count(client)


def test_a_map_shared_by_both_paths_is_declared_once(client, veth):
    """Two declarations would be two maps."""
    make(client, veth, "monitor", path(SHARED))
    for egress in (SHARED, PUBLIC):
        with pytest.raises(ApiError, match="'ALL' is declared by the ingress code and by the egress code") as caught:
            client.inject("monitor", {"egress-path": path(egress)})
        assert "extern" in caught.value.fields()["hint"]
    client.inject("monitor", {"ingress-path": path(EXTERN), "egress-path": path(SHARED)})


def test_a_trial_leaves_public_maps_alone(client, veth):
    """Though its declaration would go on in one."""
    make(client, veth, "owner", path(PUBLIC))
    make(client, veth, "user", path(EXTERN, 100))
    code = path(PUBLIC, 7)
    client.explain("owner", {"ingress-path": code})
    report = client.dry_run("owner", {"ingress-path": {**code, "initial-entries": {"ALL": [5]}}}, pcap(*[FRAME] * 3))

    assert [26] == report["metrics"][0]["value"]
    assert 0 == count(client, "user")


def test_a_trial_of_both_paths_shares_as_an_injection_does(client):
    """Whichever declares the map; and it refuses what an injection refuses."""
    client.create("monitor")
    config = {"ingress-path": path(EXTERN, 100), "egress-path": path(SHARED)}
    report = client.dry_run("monitor", config, pcap(*[FRAME] * 3), "ingress")
    assert [300] == report["metrics"][0]["value"]
    with pytest.raises(ApiError, match="'ALL' is declared by the ingress code and by the egress code"):
        client.explain("monitor", {**config, "ingress-path": path(SHARED)})
    other = {"ingress-path": pair(EXTERN, "first", "third"), "egress-path": pair(SHARED, "first", "second")}
    with pytest.raises(ApiError, match="field 'third' stands where the other has 'second'"):
        client.explain("monitor", other)
