"""Code that was written for other loaders is injected as it is, and its maps say exactly what was sent."""

from __future__ import annotations

import base64
import gzip
import os
import platform
import shutil

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dynmon.client import ApiError
from tests import packets as p
from tests.kernel.third_party.appliances import APPLIANCES
from tests.kernel.third_party.cases import (
    FOLDER,
    MIXED,
    TCP_FRAME,
    UDP_FRAME,
    Case,
    by_key,
    echo,
    of_map,
    of_variable,
    only,
    over_cpus,
    size,
)
from tests.kernel.third_party.products import PRODUCTS
from tests.kernel.third_party.tutorials import CLASSIFIERS, TUTORIALS
from tests.packets import ethernet, ipv4
from tests.support import eventually, needs, run

pytestmark = needs("kernel", "clang")

CUBE = "monitor"


def metric_configs(shown):
    """The metrics of a case; those with samples are exported as OpenMetrics."""
    exported = {"help": "What was sent", "type": "gauge"}
    return [
        {"name": name, **metric.config} | ({} if metric.samples is None else {"open-metrics-metadata": exported})
        for name, metric in shown.items()
    ]


def run_case(client, veth, case, path):
    """Inject, attach, send, and compare what is shown in both formats."""
    path = {**path, **case.path, "metric-configs": metric_configs(case.shown)}
    client.create(CUBE, {"type": case.cube_type, "dataplane-config": {f"{case.direction}-path": path}})
    client.attach(CUBE, veth.host)

    veth.send(case.direction, *case.frames)

    eventually_shows(client, case)
    assert {name: m.samples for name, m in case.shown.items() if m.samples is not None} == samples(client)


def eventually_shows(client, case):
    """Every metric comes to its value: the last frame may still be on its way.

    Metrics are read one by one, queues last: reading a queue empties it.
    """
    for name, metric in case.shown.items():

        def shown(name=name, metric=metric):
            return name, metric.view(client.metric_value(CUBE, case.direction, name))

        eventually(shown, (name, metric.value))


def samples(client):
    """Each family's samples by the label that tells them apart."""
    families = text_string_to_metric_families(client.open_metrics(CUBE))
    return {
        family.name: {next(iter(sample.labels.values()), ""): sample.value for sample in family.samples}
        for family in families
    }


@pytest.mark.parametrize("case", [*TUTORIALS, *CLASSIFIERS, *APPLIANCES, *PRODUCTS], ids=str)
def test_source_is_injected_unchanged(client, veth, case):
    """C that is written for libbpf loads as it is, and what it counts is read."""
    run_case(client, veth, case, {"code": case.source})


def compiled(file, folder, *options):
    """An object of `file`, made as its author would make it: without Dynmon."""
    if "vmlinux.h" in (FOLDER / file).read_text():
        types = run("bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c")
        (folder / "vmlinux.h").write_text(types)
    target = folder / f"{file}.o"
    include = [f"-I{folder}", f"-I/usr/include/{platform.machine()}-linux-gnu"]
    arguments = ["-target", "bpf", "-O2", "-D__TARGET_ARCH_x86", "-w", *include, *options]
    run(os.environ.get("DYNMON_CLANG") or "clang", *arguments, "-c", str(FOLDER / file), "-o", str(target))
    return target


def as_object(file):
    """The JSON for an object file: gzip, then base64."""
    return {"object": base64.b64encode(gzip.compress(file.read_bytes())).decode()}


ADDRESS = (*[0] * 10, 0xFF, 0xFF, *bytes([10, 1, 0, 1]))
FILTERED = ethernet(ipv4(p.udp(), source="10.99.3.4"))


def production_case(direction, program):
    """What the object of production.c counts."""
    traffic = (3, size(UDP_FRAME, TCP_FRAME, UDP_FRAME), tuple(p.MAC_A), 5)
    counters = {"0": 6, "1": 2, "2": 0, "3": 0}
    return Case(
        "production.c",
        {
            "flows": of_map("flows", {(ADDRESS, 0): traffic}, only("packets", "bytes", "first_mac", "direction")),
            "counters": of_map("counters", {0: 6, 1: 2}, over_cpus, samples=counters),
            "udp": of_map("counts_of_udp", [0, 2], samples={"0": 0, "1": 2}),
            "filters": of_map("filters", {"10.99.0.0/16": 1}, by_key),
            "unused": of_map("recent_per_cpu", []),
            "backlog": of_map("backlog", [len(UDP_FRAME)] * 2),
        },
        [UDP_FRAME, TCP_FRAME, UDP_FRAME, FILTERED, *MIXED[1:]],
        {
            "program": program,
            "map-sizes": {"flows": 1000, "direct_flows": 1 << 16},
            "constants": {"sampling": 1, "observed_direction": 5},
            "initial-entries": {"filters": [{"key": {"length": 16, "address": [10, 99, 0, 0]}, "value": 1}]},
        },
        direction=direction,
    )


@needs("bpftool")
@pytest.mark.parametrize(("direction", "program"), [("ingress", "ingress"), ("egress", "egress")])
def test_a_shipped_object_is_injected_unchanged(client, veth, tmp_path, direction, program):
    """An object with 8 programs of six kinds and 19 maps runs the one program that was asked for."""
    target = compiled("production.c", tmp_path, "-g")
    if strip := shutil.which("llvm-strip"):
        run(strip, "-g", str(target))

    run_case(client, veth, production_case(direction, program), as_object(target))


@needs("bpftool")
def test_an_object_without_types_shows_its_globals(client, veth, tmp_path):
    """Without BTF a section of global variables is read as the type that the metric names."""
    target = compiled("bare_counters.c", tmp_path)
    case = Case(
        "bare_counters.c",
        {
            "seen": of_map(".bss", [[3, size(*MIXED)]], type="u64[2]"),
            "initial": of_map(".data", [46], samples={"": 46}, type="u64"),
            "raw": of_map(".data", [(46).to_bytes(8, "little").hex()]),
        },
        MIXED,
    )

    run_case(client, veth, case, as_object(target))


MAKES = ["-mcpu=v1", "-mcpu=v2 -O1", "-gdwarf-4", "-fno-builtin", "-g"]


@needs("bpftool")
@pytest.mark.parametrize("make", MAKES)
def test_an_object_is_injected_however_it_was_made(client, veth, tmp_path, make):
    """Older instructions, less optimisation, other debug information: the maps are the same."""
    target = compiled("any_make.c", tmp_path, "-g", *make.split())
    case = Case(
        "any_make.c",
        {
            "records": of_map("records", {3: {"packets": 1, "bytes": len(UDP_FRAME)}}, by_key),
            "seen": of_variable("seen", [3], samples={"": 3}),
            "total": of_variable("total", [7 + 3 * (9 + 1)], samples={"": 37}),
            "table": of_variable("table", [[1, 5, 3, 4]]),
            "all": of_map(".bss", [{"seen": 3}]),
        },
        [UDP_FRAME] * 3,
        cube_type="XDP_SKB",
    )

    run_case(client, veth, case, as_object(target))


@needs("bpftool")
def test_linked_objects_are_one(client, veth, tmp_path):
    """A program and a library that bpftool linked, with a static variable of one name in each."""
    parts = [str(compiled(f"linked_{part}.c", tmp_path, "-g")) for part in ("caller", "library")]
    target = tmp_path / "linked.o"
    run("bpftool", "gen", "object", str(target), *parts)
    case = Case("linked_caller.c", {"shared": of_map("shared", [9, 3], samples={"0": 9, "1": 3})}, MIXED)

    run_case(client, veth, case, as_object(target))


def test_two_directions_share_maps_that_are_pinned_by_name(client, veth):
    """What the egress program leaves in a pinned map, the ingress program of the same cube finds there."""
    source = (FOLDER / "pping.c").read_text()
    shown = {"stats": {"timestamps": 5, "matches": 3, "strangers": 1}, "waiting": 2, "round_trips": 3}
    metrics = [
        {"name": "stats", "map-name": "rtt_stats"},
        {"name": "waiting", "map-name": "packet_ts"},
        {"name": "round_trips", "map-name": "rtt_hist"},
    ]
    paths = {f"{direction}-path": {"code": source, "metric-configs": metrics} for direction in ("ingress", "egress")}
    client.create(CUBE, {"dataplane-config": paths})
    client.attach(CUBE, veth.host)

    veth.send_out(*(ethernet(ipv4(echo(number))) for number in (1, 2, 3, 4, 5)))
    answers = [echo(number, reply=True) for number in (1, 2, 3, 99)]
    veth.send_in(*(ethernet(ipv4(answer, source=p.IPV4_B, destination=p.IPV4_A)) for answer in answers))

    def seen(direction):
        values = {reading["name"]: reading["value"] for reading in client.metrics(CUBE, direction)}
        return {
            "stats": values["stats"][0],
            "waiting": len(values["waiting"]),
            "round_trips": sum(values["round_trips"]),
        }

    eventually(lambda: seen("ingress"), shown)
    assert shown == seen("egress")


def refusal(client, file, cube_type="TC"):
    """The answer to an injection that cannot be."""
    config = {"code": (FOLDER / file).read_text()}
    with pytest.raises(ApiError) as caught:
        client.create(CUBE, {"type": cube_type, "dataplane-config": {"ingress-path": config}})
    assert 400 <= caught.value.status < 500
    return caught.value.problem


def test_several_programs_that_fit_are_listed(client):
    """Where more than one program could be meant, the answer names them."""
    problem = refusal(client, "flow_exporter.c")

    assert "ingress_flow_parse (tc_ingress), tcx_ingress_flow_parse (tcx_ingress)" in problem["detail"]
    assert '"program"' in problem["hint"]


def test_a_table_without_a_size_asks_for_one(client):
    """max_entries 0 in the source needs map-sizes, and the answer says so."""
    problem = refusal(client, "syn_limit.c", "XDP_SKB")

    assert "windows" in problem["detail"]
    assert "map-sizes" in problem["hint"]


def test_legacy_maps_are_refused_with_a_way_out(client):
    """Maps in a section "maps" are from before BTF; the answer says what to write instead."""
    problem = refusal(client, "legacy_maps.c")

    assert "legacy" in problem["detail"]
    assert 'SEC(".maps")' in problem["hint"]
