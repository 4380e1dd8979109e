"""Maps that code pins by name: one for the cube, in the cube's own folder, gone with the cube."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from dynmon.client import ApiError, DynmonClient
from tests.daemon import running_daemon
from tests.support import needs, run, wait_until

pytestmark = needs("kernel", "clang", "bpftool")

FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)
SOURCE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {{
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, {value});
	__uint(pinning, LIBBPF_PIN_BY_NAME);
}} kept SEC(".maps");

SEC("tc") int count(struct __sk_buff *skb)
{{
	__u32 key = 0;
	{value} *value = bpf_map_lookup_elem(&kept, &key);

	if (value)
		__sync_fetch_and_add(value, {step});
	return -1;
}}

char LICENSE[] SEC("license") = "GPL";
"""
EMPTY = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) { return RX_OK; }"
METRIC = {"name": "kept_total", "map-name": "kept"}


def path(step=1, value="__u64"):
    return {"code": SOURCE.format(step=step, value=value), "metric-configs": [METRIC]}


def pin_of(daemon, cube="monitor"):
    """Where a daemon of the tests keeps the pin."""
    return Path("/sys/fs/bpf") / daemon.state_dir.name.replace(".", "_") / "cubes" / cube.replace(".", "~") / "kept"


def kept(client, cube="monitor", direction="ingress"):
    return client.metric_value(cube, direction, "kept_total")


def test_a_pinned_map_outlives_the_code(client, daemon, veth):
    """New code that pins a map of the same name goes on in it; a pin of ours is one that bpftool can read."""
    client.create("monitor", {"dataplane-config": {"ingress-path": path()}})
    client.attach("monitor", veth.host)
    veth.send_in(FRAME, count=5)
    wait_until(lambda: [5] == kept(client), "five packets")

    client.inject("monitor", {"ingress-path": path(step=10)})
    assert [5] == kept(client)
    veth.send_in(FRAME, count=2)
    wait_until(lambda: [25] == kept(client), "two packets more")
    assert '"value": 25' in run("bpftool", "-p", "map", "dump", "pinned", str(pin_of(daemon)))


def test_ingress_and_egress_share_what_both_pin(client, veth):
    client.create("monitor", {"dataplane-config": {"ingress-path": path(), "egress-path": path(step=100)}})
    client.attach("monitor", veth.host)
    veth.send_in(FRAME, count=3)
    veth.send_out(FRAME, count=2)

    wait_until(lambda: [203] == kept(client), "both directions")
    assert [203] == kept(client, direction="egress")


def test_cubes_have_folders_of_their_own(client, daemon, veth):
    for name in ("one", "two.2"):
        client.create(name, {"dataplane-config": {"ingress-path": path()}})
    client.attach("one", veth.host)
    veth.send_in(FRAME, count=4)

    wait_until(lambda: [4] == kept(client, "one"), "four packets")
    assert [0] == kept(client, "two.2")
    assert pin_of(daemon, "one").exists()
    assert pin_of(daemon, "two.2").exists()
    client.delete("one")
    assert not pin_of(daemon, "one").parent.exists()
    assert pin_of(daemon, "two.2").exists()


def test_a_pin_goes_with_the_code_that_wants_it(client, daemon):
    client.create("monitor", {"dataplane-config": {"ingress-path": path()}})
    client.inject("monitor", {"ingress-path": {"code": EMPTY}})
    assert not pin_of(daemon).exists()

    client.inject("monitor", {"ingress-path": path()})
    assert [0] == kept(client)


def test_another_layout_is_refused_and_the_old_goes_on(client, daemon, veth):
    client.create("monitor", {"dataplane-config": {"ingress-path": path()}})
    client.attach("monitor", veth.host)
    with pytest.raises(ApiError, match="'kept' is declared with values of 4 bytes, but the existing map has 8"):
        client.inject("monitor", {"ingress-path": path(value="__u32")})

    veth.send_in(FRAME, count=1)
    wait_until(lambda: [1] == kept(client), "the old code to count")
    assert pin_of(daemon).exists()


def test_a_killed_daemon_leaves_pins_that_the_next_one_removes(state_root):
    folder = state_root / "killed"
    with running_daemon(folder) as daemon, DynmonClient(daemon.url) as client:
        client.create("monitor", {"dataplane-config": {"ingress-path": path()}})
        assert pin_of(daemon).exists()
        daemon.end(signal.SIGKILL)
        assert pin_of(daemon).exists()
    with running_daemon(folder):
        assert not pin_of(daemon).exists()


def test_without_a_bpf_filesystem_the_remedy_is_named(state_root, tmp_path):
    """The last option given wins, so the folder is one where nothing can be pinned."""
    with (
        running_daemon(state_root / "nowhere", "--bpffs-dir", str(tmp_path)) as daemon,
        DynmonClient(daemon.url) as client,
    ):
        with pytest.raises(ApiError, match="pin map 'kept'") as refused:
            client.create("monitor", {"dataplane-config": {"ingress-path": path()}})
        assert "mount -t bpf" in str(refused.value.problem)
