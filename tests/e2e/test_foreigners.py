"""Whoever was on an interface before us is there with us and after us, at the same place, and counts on."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dynmon.bpf import Loader, Program, ProgramType, attach_tcx
from dynmon.client import ApiError, DynmonClient
from dynmon.models import Direction
from tests.daemon import KERNELS, start_daemon
from tests.e2e.test_namespaces import CONFIG, counts
from tests.hooks import attached, tcx_links
from tests.kernel.bpf.conftest import Counter, request_for
from tests.kernel.bpf.objects import TC_COUNTER, XDP_COUNTER
from tests.packets import ethernet, raw
from tests.support import Veth, eventually, needs, run, wait_until

pytestmark = needs("kernel", "clang", "bpftool", "tcx")

FRAME = ethernet(raw(b"x" * 46, 0x88B5))
PINS = Path("/sys/fs/bpf/e2e_foreigners")
OUR_HANDLE = "0x64796e6d"
WAYS = ("ingress", "egress")


@dataclass
class Foreigners:
    """Programs of somebody else at every hook of an interface, and how many packets each is to have counted."""

    veth: Veth
    counters: dict[str, Counter] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, counter: Counter) -> Program:
        self.counters[name], self.expected[name] = counter, 0
        return counter.program

    def places(self) -> dict[str, Any]:
        """Where they are: links in their order, filters with priority and handle in theirs, and XDP."""
        found: dict[str, Any] = {"xdp": attached(self.veth.host)["xdp"]}
        for way in WAYS:
            found[f"tcx {way}"] = tcx_links(self.veth.host, way)
            listed = json.loads(run("tc", "-j", "filter", "show", "dev", self.veth.host, way))
            found[f"clsact {way}"] = [
                (each["pref"], each["options"]["handle"], each["options"]["prog"]["id"])
                for each in listed
                if each.get("options", {}).get("handle", OUR_HANDLE) != OUR_HANDLE
            ]
        return found

    def check(self) -> None:
        """Three packets in and two out: each sees those of its direction."""
        self.veth.send_in(FRAME, count=3)
        self.veth.send_out(FRAME, count=2)
        for name in self.expected:
            self.expected[name] += 2 if name.endswith("egress") else 3
        eventually(lambda: {name: each.packets() for name, each in self.counters.items()}, self.expected)


@pytest.fixture
def foreigners(veth: Veth) -> Iterator[Foreigners]:
    index, made = socket.if_nametoindex(veth.host), Foreigners(veth)
    with ExitStack() as kept:
        loader = kept.enter_context(Loader())

        def program(name: str, code: str = TC_COUNTER, kind: ProgramType = ProgramType.SCHED_CLS) -> Program:
            loaded = loader.load(request_for(code, program_type=kind))
            kept.callback(loaded.close)
            return made.add(name, Counter(loaded))

        def pinned(program: Program) -> str:
            pin = PINS / str(program.id)
            run("bpftool", "prog", "pin", "id", str(program.id), str(pin))
            kept.callback(pin.unlink)
            return str(pin)

        PINS.mkdir()
        kept.callback(PINS.rmdir)
        run(
            "ip", "link", "set", veth.host, "xdpgeneric", "pinned", pinned(program("xdp", XDP_COUNTER, ProgramType.XDP))
        )
        run("tc", "qdisc", "add", "dev", veth.host, "clsact")
        for way in WAYS:
            for number in range(2):
                at_tcx = program(f"tcx {number} {way}")
                link = attach_tcx(at_tcx, index, Direction(way), interface_name=veth.host)
                kept.callback(link.close)
            place = ("prio", "7", "handle", "0x21")
            pin = pinned(program(f"filter {way}"))
            run("tc", "filter", "add", "dev", veth.host, way, *place, "bpf", "da", "pinned", pin)
        yield made


@pytest.mark.parametrize("environment", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_foreigners_are_not_touched(
    state_root: Path, foreigners: Foreigners, number: int, environment: dict[str, str]
) -> None:
    """Not by attaching, reading, replacing, detaching, deleting or being refused, nor by the daemon's death."""
    interface = foreigners.veth.host
    before, places = attached(interface), foreigners.places()
    assert all(places.values())
    foreigners.check()
    daemon = start_daemon(state_root / "foreigners", environment=environment)

    def untouched() -> None:
        now = foreigners.places()
        ours = 0 if environment else len(client.get("last")["attachments"]) + len(client.get("first")["attachments"])
        assert places == {hook: seen[: len(seen) - ours * hook.startswith("tcx")] for hook, seen in now.items()}
        foreigners.check()

    with DynmonClient(daemon.url) as client:
        client.create("last", {"dataplane-config": CONFIG})
        client.create("first", {"dataplane-config": CONFIG})
        client.create("refused", {"type": "XDP_SKB", "dataplane-config": CONFIG})
        client.attach("last", interface)
        untouched()
        client.attach("first", interface, position="first")
        untouched()
        assert [[6, 4], [3, 2]] == [counts(client, name) for name in ("last", "first")]
        with pytest.raises(ApiError, match="already has an XDP program"):
            client.attach("refused", interface)
        client.inject("last", CONFIG)
        untouched()
        client.detach("last", interface)
        untouched()
        client.detach("first", interface)
        assert before == attached(interface)
        client.attach("last", interface)
        client.attach("first", interface, before="last")
        untouched()
        client.delete("last")
        client.create("last", {"dataplane-config": CONFIG})
        client.attach("last", interface)
        untouched()

        daemon.end(number)

    wait_until(lambda: before == attached(interface), "the interface to be as it was")
    assert places == foreigners.places()
    foreigners.check()
