"""Maps that code shares: between the paths of a cube, between cubes, and with whoever pinned them; counted exactly."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from dynmon.client import ApiError
from tests.support import eventually, needs, run

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
