"""`from dynmon import Monitor`: the pipeline in this process, on real interfaces, with counted packets."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from dynmon import Monitor
from dynmon.bpf import xdp_program_id
from dynmon.compiler.diagnostics import CompileError
from dynmon.cubes import MetricNotFound
from dynmon.errors import DynmonError, UnsupportedError
from dynmon.metrics import UnknownMap
from dynmon.monitor import AmbiguousMetric, NotRunning
from dynmon.netdev import InterfaceNotFound
from tests.hooks import attached, tcx_programs
from tests.packets import IPV4_A, IPV4_B, UDP, ethernet, ipv4, udp
from tests.support import eventually, needs, open_descriptors, run, veth_pair, wait_until

pytestmark = needs("kernel", "clang", "tcx")

FRAME = ethernet(ipv4(udp(sport=5000, dport=53)))
INCLUDES = ("-I", f"/usr/include/{os.uname().machine}-linux-gnu")
COUNTER = """
BPF_ARRAY(PKTS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	PKTS.atomic_increment(0);
	return RX_OK;
}
"""
LIBBPF_C = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 packets;
const volatile __u32 offset;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} LENGTHS SEC(".maps");

SEC("tc") int probe(struct __sk_buff *skb)
{
	__u32 length = skb->len + offset;
	__u64 one = 1;

	__sync_fetch_and_add(&packets, 1);
	bpf_map_update_elem(&LENGTHS, &length, &one, BPF_ANY);
	return -1;
}

char LICENSE[] SEC("license") = "GPL";
"""
EVERY_KIND = """
struct port {
	u16 number;
	char name[6];
};
BPF_TABLE("percpu_hash", struct port, u32, BY_CPU, 8);
BPF_HASH(LENGTHS, u32, u64, 8);
BPF_QUEUE(RECENT, u32, 8);
BPF_TABLE("prog", u32, u32, CALLS, 2);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct port port = {.number = 53, .name = "dns"};
	u32 length = md->packet_len, zero = 0;
	u64 nothing = 0, *found = LENGTHS.lookup_or_try_init(&length, &nothing);
	u32 *mine = BY_CPU.lookup_or_try_init(&port, &zero);

	if (found)
		__sync_fetch_and_add(found, 1);
	if (mine)
		*mine += 1;
	RECENT.push(&length, 0);
	pcn_log(ctx, LOG_WARN, "a packet of %d bytes", length);
	return RX_OK;
}
"""


@pytest.fixture(autouse=True)
def cache(monkeypatch, state_root):
    """Compiled objects of all these tests, away from the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(state_root))
    return state_root / "dynmon"


def test_a_monitor_counts_and_leaves_nothing(veth, no_leaks):
    """Within the block exactly what was sent; after it the interface is as it was."""
    before = attached(veth.host)
    monitor = Monitor(veth.host, COUNTER, metrics={"packets_total": "PKTS"})
    assert before == attached(veth.host)

    with monitor as entered:
        veth.send_in(FRAME, count=7)
        veth.send_out(FRAME, count=2)

        assert entered is monitor
        assert {"packets_total": [7]} == monitor.metrics()
        assert "\npackets_total 7\n" in monitor.open_metrics()
        assert f"<Monitor {veth.host}: packets_total>" == repr(monitor)
        assert veth.host == monitor.cube.parent

    assert before == attached(veth.host)
    monitor.close()
    with pytest.raises(NotRunning):
        monitor.metrics()


def test_a_map_of_structs_is_a_structured_array(veth, repository):
    """The example of flows, unchanged, from its file."""
    with Monitor(veth.host, repository / "examples" / "flows" / "flows.c") as monitor:
        veth.send_in(FRAME, count=5)
        flows = monitor.read("IPV4_FLOWS")
        frame = monitor.to_dataframe("IPV4_FLOWS")

        assert 0 == len(monitor.read("IPV6_FLOWS"))

    key = (*(int.from_bytes(bytes(map(int, each.split("."))), "little") for each in (IPV4_A, IPV4_B)), 5000, 53, UDP)
    assert [(key, (5, 5 * len(FRAME)))] == flows.tolist()
    assert 5 == flows["value"]["packets"].sum()
    assert {"key.destination_port": 53, "value.packets": 5}.items() <= frame.iloc[0].to_dict().items()


def test_every_readable_map_is_a_metric_where_none_is_named(veth):
    """Per-CPU maps have a dimension more, queues no key, and what has no values is not there."""
    with Monitor(veth.host, EVERY_KIND) as monitor:
        veth.send_in(FRAME, count=3)
        length = len(FRAME)

        assert ["BY_CPU", "LENGTHS", "RECENT"] == list(monitor.metrics())
        assert [{"key": length, "value": 3}] == monitor.metrics()["LENGTHS"]
        by_cpu = monitor.read("BY_CPU")
        assert (1, os.sysconf("SC_NPROCESSORS_CONF")) == by_cpu["value"].shape
        assert [3] == by_cpu["value"].sum(axis=1).tolist()
        assert (53, b"dns") == by_cpu["key"][0].item()
        assert monitor.metrics()["RECENT"] is None
        assert [length] * 3 == monitor.read("RECENT")["value"].tolist()
        assert 0 == len(monitor.read("RECENT"))


def test_a_map_with_an_endless_name_is_no_metric(veth, no_leaks):
    """What cannot be a metric is left out, and what is left can be read."""
    code = f"BPF_ARRAY({'x' * 200}, u64, 1);" + COUNTER
    with Monitor(veth.host, code) as monitor:
        assert {"PKTS": [0]} == monitor.metrics()


def test_an_array_has_its_index_as_key(veth):
    code = COUNTER.replace("u64, 1)", "u64, 3)").replace("increment(0)", "increment(2)")
    with Monitor(veth.host, code) as monitor:
        veth.send_in(FRAME, count=4)

        assert [(0, 0), (1, 0), (2, 4)] == monitor.read("PKTS").tolist()


def test_a_metric_is_found_by_its_map_and_the_only_one_without_a_name(veth):
    """Whoever knows the code need not know the configuration."""
    with Monitor(veth.host, LIBBPF_C, metrics={"lengths": "LENGTHS"}) as monitor:
        veth.send_in(FRAME, count=3)

        for found in (monitor.read("lengths"), monitor.read("LENGTHS"), monitor.read()):
            assert [(len(FRAME), 1)] == found.tolist()
        assert ["key", "value"] == list(monitor.to_dataframe().columns)

        monitor.inject(
            LIBBPF_C,
            metrics=[{"name": "count", "variable": "packets"}, "LENGTHS", {"name": "again", "map-name": "LENGTHS"}],
        )
        veth.send_in(FRAME, count=2)

        assert [2] == monitor.read("packets")["value"].tolist()
        assert 1 == len(monitor.read("LENGTHS"))  # the metric of that name, before others of that map
        with pytest.raises(AmbiguousMetric, match="'LENGTHS', 'again', 'count': more than one metric; say which"):
            monitor.read()


def test_a_metric_that_is_emptied_on_read(veth):
    """Only `read` takes anything out of a map."""
    metric = {"map-name": "PKTS", "extraction-options": {"empty-on-read": True}}
    with Monitor(veth.host, COUNTER, metrics={"packets": metric}) as monitor:
        veth.send_in(FRAME, count=3)
        assert {"packets": [3]} == monitor.metrics() == monitor.metrics()

        assert [(0, 3)] == monitor.read("packets").tolist()

        assert {"packets": [0]} == monitor.metrics()


def test_windows_take_nothing_from_one_another(veth):
    with Monitor(veth.host, COUNTER) as monitor:
        veth.send_in(FRAME, count=2)
        mine, others = monitor.windows(), monitor.windows("PKTS")
        first = next(mine)
        veth.send_in(FRAME, count=3)
        second, all_so_far = next(mine), next(others)
        veth.send_in(FRAME, count=4)

        assert [2, 3, 5] == [rows["value"][0] for rows in (first, second, all_so_far)]
        assert [4, 4] == [next(each)["value"][0] for each in (mine, others)]
        assert {"PKTS": [9]} == monitor.metrics()


def test_maps_that_are_kept(veth):
    with Monitor(veth.host, COUNTER) as monitor:
        veth.send_in(FRAME, count=2)
        kept = monitor.inject(COUNTER, keep_maps=["PKTS"])
        veth.send_in(FRAME, count=3)

        assert {"ingress-path": {"kept": ["PKTS"], "not-kept": []}} == kept
        assert {"PKTS": [5]} == monitor.metrics()
        assert {} == monitor.inject(COUNTER)
        assert {"PKTS": [0]} == monitor.metrics()


def test_libbpf_c_with_its_options(veth):
    """Plain C with a program, a map and global variables of its own."""
    with Monitor(veth.host, LIBBPF_C, constants={"offset": 100}, map_sizes={"LENGTHS": 64}) as monitor:
        veth.send_in(FRAME, count=3)
        veth.send_in(FRAME + b"x")

        length = len(FRAME) + 100
        assert 4 == monitor.read("packets")["value"][0]
        assert {length, length + 1} == {entry["key"] for entry in monitor.metrics()["LENGTHS"]}
        assert "\npackets 4\n" in monitor.open_metrics()


def test_a_name_for_a_variable(veth):
    """It may stand where the name of a map does."""
    with Monitor(veth.host, LIBBPF_C, metrics={"packets_total": "packets", "lengths": "LENGTHS"}) as monitor:
        veth.send_in(FRAME, count=3)

        assert {"packets_total": [3], "lengths": [{"key": len(FRAME), "value": 1}]} == monitor.metrics()
        assert "# TYPE packets counter\npackets_total 3\n" in monitor.open_metrics()
        assert [(3,)] == monitor.read("packets").tolist()


def test_an_object_from_its_file(veth, tmp_path):
    """Compiled by whoever; its name does not matter."""
    (tmp_path / "probe.c").write_text(LIBBPF_C)
    run("clang", "-O2", "-g", "-target", "bpf", "-c", tmp_path / "probe.c", "-o", tmp_path / "probe.o", *INCLUDES)

    with Monitor(veth.host, str(tmp_path / "probe.o"), metrics=["LENGTHS"]) as monitor:
        veth.send_in(FRAME, count=3)

        assert {"LENGTHS": [{"key": len(FRAME), "value": 1}]} == monitor.metrics()


def test_both_directions(veth):
    """Each has its own maps; a name that both have wants a direction."""
    with Monitor(veth.host, COUNTER, egress=COUNTER) as monitor:
        veth.send_in(FRAME, count=5)
        veth.send_out(FRAME, count=3)

        assert [{"PKTS": [5]}, {"PKTS": [3]}] == [monitor.metrics(each) for each in ("ingress", "egress")]
        assert [(0, 3)] == monitor.read("PKTS", "egress").tolist()
        for ambiguous in (monitor.metrics, lambda: monitor.read("PKTS"), monitor.read):
            with pytest.raises(AmbiguousMetric, match=r"'PKTS': in both directions; say direction='ingress'"):
                ambiguous()
        with pytest.raises(DynmonError, match="direction must be 'ingress' or 'egress', not 'up'"):
            monitor.metrics("up")


def test_sent_packets_alone(veth):
    with Monitor(veth.host, egress=COUNTER) as monitor:
        veth.send_in(FRAME, count=5)
        veth.send_out(FRAME, count=3)

        assert [(0, 3)] == monitor.read("PKTS").tolist()
        with pytest.raises(MetricNotFound, match="no egress metric 'NONE'; it has: PKTS"):
            monitor.read("NONE")


def test_a_configuration_of_the_daemon(veth, repository):
    config = json.loads((repository / "examples" / "packet_counter.json").read_text())
    with Monitor(veth.host, config) as monitor:
        veth.send_in(FRAME, count=6)

        assert {"packets_total": [6]} == monitor.metrics()


@pytest.mark.parametrize("hook", ["XDP_SKB", "xdp_drv"])
def test_xdp(veth, hook):
    with Monitor(veth.host, COUNTER, hook=hook) as monitor:
        veth.send_in(FRAME, count=4)
        assert "prog/xdp" in attached(veth.host)["xdp"][-1]

        assert {"PKTS": [4]} == monitor.metrics()
    assert [] == attached(veth.host)["xdp"]


OF_ANOTHER_PROCESS = """
import sys
from dynmon import Monitor
from dynmon.bpf import InterfaceBusy
try:
    with Monitor(sys.argv[1], sys.argv[2], hook="XDP_SKB"):
        pass
except InterfaceBusy as error:
    print(error.program_id, error.hint)
"""


def test_monitors_of_one_process_share_the_place_for_xdp(veth):
    """The one that drops is the end for the one behind it; when it has gone, it is not."""
    with Monitor(veth.host, COUNTER, hook="XDP_SKB") as first:
        with (
            Monitor(veth.host, COUNTER.replace("RX_OK", "RX_DROP"), hook="XDP_SKB") as second,
            Monitor(veth.host, COUNTER, hook="XDP_SKB") as third,
        ):
            veth.send_in(FRAME, count=4)
            assert [4, 4, 0] == [each.metrics()["PKTS"][0] for each in (first, second, third)]
            second.close()
            veth.send_in(FRAME, count=3)
            assert [7, 3] == [each.metrics()["PKTS"][0] for each in (first, third)]
        veth.send_in(FRAME, count=2)
        assert {"PKTS": [9]} == first.metrics()
    assert [] == attached(veth.host)["xdp"]


@pytest.mark.parametrize("monitors", [1, 2])
def test_the_xdp_programs_of_another_process_are_in_the_way(veth, monitors):
    """Its error says so, and nothing changes for those that are there."""
    with ExitStack() as here:
        running = [here.enter_context(Monitor(veth.host, COUNTER, hook="XDP_SKB")) for _ in range(monitors)]
        answer = run(sys.executable, "-c", OF_ANOTHER_PROCESS, veth.host, COUNTER)
        veth.send_in(FRAME, count=4)

        number = xdp_program_id(socket.if_nametoindex(veth.host))
        assert answer.startswith(f"{number} make the cube of type TC, or take the other program off")
        assert [{"PKTS": [4]}] * monitors == [monitor.metrics() for monitor in running]


def test_inject_replaces_the_code_under_traffic(veth, no_leaks):
    """Every packet is counted once, by the old code or by the new, here in a map that outlives them all."""
    owner = COUNTER.replace("BPF_ARRAY(PKTS, u64, 1)", 'BPF_TABLE_PUBLIC("array", u32, u64, PKTS, 1)')
    borrower = COUNTER.replace("BPF_ARRAY(PKTS, u64, 1)", 'BPF_TABLE("extern", u32, u64, PKTS, 1)')
    is_enough, sent = threading.Event(), [0]

    def send() -> None:
        while not is_enough.is_set():
            sent.append(sent[-1] + veth.send_in(FRAME, count=100))

    with Monitor(veth.host, egress=owner) as total, Monitor(veth.host, borrower) as monitor:
        sender = threading.Thread(target=send)
        sender.start()
        try:
            for number in range(1, 6):
                wait_until(lambda number=number: len(sent) > 2 * number, "packets between two injections")
                monitor.inject(borrower)
        finally:
            is_enough.set()
            sender.join()

        eventually(lambda: total.metrics()["PKTS"], [sent[-1]])


def test_a_refused_injection_changes_nothing(veth):
    with Monitor(veth.host, COUNTER) as monitor:
        veth.send_in(FRAME, count=3)
        with pytest.raises(CompileError):
            monitor.inject("not C;")
        veth.send_in(FRAME, count=2)

        assert [5] == monitor.metrics()["PKTS"]


def test_a_refused_monitor_leaves_nothing(veth, no_leaks):
    """Whichever step fails: compiling, binding, attaching."""
    before = attached(veth.host)
    refused = [
        (CompileError, lambda: Monitor(veth.host, COUNTER.replace("PKTS.", "STRK."))),
        (UnknownMap, lambda: Monitor(veth.host, COUNTER, metrics=["STRK"])),
        (InterfaceNotFound, lambda: Monitor("nowhere0", COUNTER)),
    ]
    for error, make in refused:
        monitor = make()
        with pytest.raises(error), monitor:
            pytest.fail("it ran")
        with pytest.raises(NotRunning):
            monitor.metrics()

    assert before == attached(veth.host)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_in_the_block_detaches(veth, no_leaks, error):
    before = attached(veth.host)
    with pytest.raises(error), Monitor(veth.host, COUNTER):
        raise error

    assert before == attached(veth.host)


def test_one_inside_another(veth, no_leaks):
    """Two on one interface count the same packets; the first one goes on when the second has ended."""
    with Monitor(veth.host, COUNTER) as outer:
        with Monitor(veth.host, COUNTER) as inner:
            assert 2 == len(tcx_programs(veth.host, "ingress"))
            veth.send_in(FRAME, count=3)
            assert [3] == outer.metrics()["PKTS"] == inner.metrics()["PKTS"]
        veth.send_in(FRAME, count=2)
        assert [5] == outer.metrics()["PKTS"]
        assert 1 == len(tcx_programs(veth.host, "ingress"))


def test_open_and_close_without_a_block(veth, no_leaks):
    """As in the cells of a notebook; opened again, it starts from nothing."""
    monitor = Monitor(veth.host, COUNTER)
    for _ in range(2):
        assert monitor is monitor.open().open()
        veth.send_in(FRAME, count=2)
        assert {"PKTS": [2]} == monitor.metrics()
        monitor.close()
        monitor.close()
        assert [] == tcx_programs(veth.host, "ingress")


def test_a_lost_monitor_is_closed(veth, no_leaks):
    """A cell that is run twice leaves one monitor, not two."""
    for _ in range(2):
        monitor = Monitor(veth.host, COUNTER).open()
        assert 1 == len(tcx_programs(veth.host, "ingress"))
        monitor = None
    assert monitor is None
    assert [] == tcx_programs(veth.host, "ingress")


def test_what_programs_log_goes_to_logging(veth, caplog):
    with caplog.at_level(logging.DEBUG, "dynmon.cube"), Monitor(veth.host, EVERY_KIND) as monitor:
        veth.send_in(FRAME)
        wait_until(lambda: caplog.records, "a line of the log")
        name = monitor.cube.name

    record = caplog.records[0]
    assert (f"dynmon.cube.{name}", logging.WARNING) == (record.name, record.levelno)
    assert f"ingress: a packet of {len(FRAME)} bytes" == record.getMessage()


def test_threads_read_while_others_inject(veth, no_leaks):
    with Monitor(veth.host, COUNTER) as monitor:
        failures = []

        def work(action):
            try:
                for _ in range(20):
                    action()
            except Exception as error:
                failures.append(error)

        actions = [lambda: monitor.read("PKTS"), monitor.metrics, monitor.open_metrics, lambda: monitor.inject(COUNTER)]
        threads = [threading.Thread(target=work, args=(action,)) for action in actions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [] == failures


def test_the_cache_belongs_to_the_user_alone(veth, cache):
    with Monitor(veth.host, COUNTER):
        assert 0o700 == cache.stat().st_mode & 0o777
        assert list(cache.glob("*.object"))


def test_without_a_place_for_a_cache(veth, monkeypatch):
    """A home that nobody can write to costs the cache, not the monitor; its stand-in goes with it."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    stand_ins = set(Path("/tmp").glob("dynmon-*"))

    with Monitor(veth.host, COUNTER) as monitor:
        veth.send_in(FRAME)
        assert {"PKTS": [1]} == monitor.metrics()

    assert set(Path("/tmp").glob("dynmon-*")) <= stand_ins


def test_the_interface_goes_away(veth):
    """What was counted can still be read."""
    before = open_descriptors()
    with Monitor(veth.host, COUNTER) as monitor:
        veth.send_in(FRAME, count=2)
        run("ip", "link", "del", veth.host)

        assert np.array_equal([2], monitor.read("PKTS")["value"])
    assert not [entry for entry in open_descriptors() - before if "bpf" in entry]


def test_a_monitor_of_all_interfaces_of_a_pattern(no_leaks):
    """Also of one that comes while it runs; what it counts is the sum."""
    with veth_pair(host="probed1") as one, Monitor("probed*", COUNTER, metrics={"packets": "PKTS"}) as monitor:
        one.send_in(FRAME, count=2)
        with veth_pair(host="probed2") as other:
            wait_until(lambda: len(monitor.cube.attachments.status()) == 2, "the other one to be attached")
            other.send_in(FRAME, count=3)
            wait_until(lambda: monitor.metrics() == {"packets": [5]}, "all packets to be counted")
        wait_until(lambda: len(monitor.cube.attachments.status()) == 1, "the other one to be left")
        assert {"packets": [5]} == monitor.metrics()


def test_a_metric_that_is_split_has_its_values_by_interface(veth):
    """An array has no place for the interfaces, so there is none."""
    split = {"name": "packets", "map-name": "PKTS", "per-interface": True}
    with Monitor(veth.host, COUNTER, metrics=[split]) as monitor:
        veth.send_in(FRAME, count=3)
        eventually(monitor.metrics, {"packets": [{"interface": veth.host, "value": [3]}]})
        with pytest.raises(UnsupportedError, match=r"'packets' is split per interface; metrics\(\) has its values"):
            monitor.read("packets")
