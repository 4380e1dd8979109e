"""Several programs on the one place for XDP, by counted packets."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dynmon.bpf import InterfaceBusy, ModeUnsupported, ProgramType, attach_xdp, xdp_program_id
from dynmon.bpf.program import MOST_TAIL_CALLS
from dynmon.dataplane.chain_errors import FragmentsDiffer, XdpChainFull, XdpModesDiffer
from dynmon.dataplane.xdp_chain import XdpChain, XdpMember
from dynmon.errors import KernelError
from dynmon.netdev import InterfaceNotFound, Located
from dynmon.trial import workbench
from tests.hooks import attached, exists
from tests.kernel.bpf.conftest import Counter, request_for
from tests.kernel.bpf.objects import COUNTER
from tests.kernel.cubes.test_failures import taken_away
from tests.support import needs, open_descriptors, run, veth_pair

pytestmark = needs("kernel", "clang", "bpftool")

FRAME = bytes(60)
MODES = pytest.mark.parametrize("mode", ["skb", "drv"])
# Gets to other programs by tail calls, from one to the next.
CALLS = """
DECLARATIONS
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, COUNT);
	__uint(key_size, 4);
	__array(values, int (void *));
} calls SEC(".maps") = {.values = {NAMES}};
DEFINITIONS
"""
CALLED = 'SEC("xdp") int called{0}(void *ctx) {{ bpf_tail_call(ctx, &calls, {0} + 1); return XDP_PASS; }}'


@pytest.fixture(scope="module")
def foundry(tmp_path_factory):
    with workbench(tmp_path_factory.mktemp("cache")) as foundry:
        # The compiler starts a process for the first one, and the loader another.
        with veth_pair() as veth, Bench(foundry, veth) as bench:
            bench.join("one")
            bench.join("two")
        yield foundry


class Bench:
    """A chain on an interface, its members and the packets that each counted."""

    def __init__(self, foundry, veth):
        self.foundry, self.veth = foundry, veth
        self.index = socket.if_nametoindex(veth.host)
        self.chain = XdpChain(foundry, Located(self.index, None))
        self.counters: dict[str, Counter] = {}
        self.members: dict[str, XdpMember] = {}
        self._loaded = ExitStack()

    def counter(self, verdict="XDP_PASS", section="xdp", code=COUNTER) -> Counter:
        request = request_for(code % (section, verdict), program_type=ProgramType.XDP)
        return Counter(self._loaded.enter_context(self.foundry.loader.load(request)))

    def join(self, name, verdict="XDP_PASS", *, section="xdp", mode="skb", before=None, code=COUNTER) -> XdpMember:
        counter = self.counter(verdict, section, code)
        next_one = self.members[before] if before else None
        member = self.chain.join(name, counter.program, mode, port=self.veth.host, before=next_one)
        self.counters[name], self.members[name] = counter, member
        return member

    def packets(self, count=1) -> dict[str, int]:
        """How many of `count` packets each has counted."""
        before = {name: each.packets() for name, each in self.counters.items()}
        self.veth.send_in(FRAME, count=count)
        return {name: each.packets() - before[name] for name, each in self.counters.items()}

    @property
    def program_id(self) -> int:
        """What the kernel has at the interface."""
        return xdp_program_id(self.index)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in self.members.values():
            member.close()
        self._loaded.close()


@pytest.fixture
def bench(foundry, veth, no_leaks) -> Iterator[Bench]:
    with Bench(foundry, veth) as bench:
        yield bench
    assert [] == attached(veth.host)["xdp"]


@MODES
def test_packets_meet_all_members_in_their_order(bench, mode):
    """Each new one is first, in the middle or last; one that drops is the end for those behind it."""
    for name, before in (("c", None), ("a", "c"), ("e", None), ("b", "c"), ("d", "e")):
        bench.join(name, mode=mode, before=before)
    assert dict.fromkeys("abcde", 7) == bench.packets(7)

    for place, name in enumerate("edcba"):
        bench.members[name].update(bench.counter("XDP_DROP").program)
        assert dict.fromkeys("abcde"[: 4 - place], 3) == {k: v for k, v in bench.packets(3).items() if v}


@MODES
@pytest.mark.parametrize("verdict", ["XDP_ABORTED", "XDP_DROP", "XDP_TX", "bpf_redirect(1, 0)", "77"])
def test_every_verdict_but_pass_is_the_chain_s(bench, mode, verdict):
    """What a member returns is what the dispatcher returns; test runs tell."""
    bench.join("first", mode=mode)
    bench.join("end", verdict, mode=mode)
    bench.join("behind", mode=mode)

    alone = bench.counters["end"].program.test_run(FRAME).verdict
    assert alone == bench.chain.dispatcher.program.test_run(FRAME).verdict
    assert {"first": 5, "end": 5, "behind": 0} == bench.packets(5)


@MODES
def test_who_is_alone_runs_without_a_dispatcher(bench, mode):
    """Before the second one comes, and after it has gone; a dispatcher of before is gone with it."""
    first = bench.join("first", mode=mode)
    assert bench.counters["first"].program.id == bench.program_id
    second = bench.join("second", mode=mode)
    dispatcher = bench.program_id
    assert dispatcher == bench.chain.dispatcher.program.id
    assert first.id == second.id

    first.close()
    first.close()

    assert bench.counters["second"].program.id == bench.program_id
    assert not exists("prog", dispatcher)
    assert {"first": 0, "second": 4} == bench.packets(4)


@pytest.mark.parametrize("name", "abc")
def test_one_leaves_the_others_go_on(bench, name):
    for each in "abc":
        bench.join(each)

    bench.members[name].close()

    assert {each: 0 if each == name else 6 for each in "abc"} == bench.packets(6)
    assert not bench.members[name].is_attached()
    with pytest.raises(InterfaceNotFound):
        bench.members[name].update(bench.counter().program)


def test_a_chain_is_as_long_as_the_kernel_makes_tail_calls(bench):
    """The last that fits is called; the next is refused, and nothing has changed."""
    names = [f"m{number}" for number in range(MOST_TAIL_CALLS)]
    for name in names:
        bench.join(name)
    before = bench.program_id
    assert dict.fromkeys(names, 2) == bench.packets(2)

    with pytest.raises(XdpChainFull, match="allows 33 tail calls for a packet, and 34 XDP cubes there") as refused:
        bench.join("more")

    assert (34, before) == (refused.value.fields()["tail-calls"], bench.program_id)
    assert dict.fromkeys(names, 3) == bench.packets(3)


def calling(others: int) -> str:
    """A counter that then gets to so many other programs."""
    names = [f"called{number}" for number in range(others)]
    head = (
        CALLS.replace("DECLARATIONS", " ".join(f"int {name}(void *);" for name in names))
        .replace("COUNT", str(others))
        .replace("NAMES", ", ".join(names))
        .replace("DEFINITIONS", "\n".join(CALLED.format(number) for number in range(others)))
    )
    return head + COUNTER.replace("return %s;", "bpf_tail_call(ctx, &calls, 0);\n\treturn %s;")


def test_the_tail_calls_of_members_count(bench):
    """Of the dispatcher and of all members together the kernel makes 33, and the last member still runs."""
    bench.join("calls", code=calling(20))
    names = [f"m{number}" for number in range(12)]
    for name in names:
        bench.join(name)
    assert dict.fromkeys(["calls", *names], 4) == bench.packets(4)

    with pytest.raises(XdpChainFull, match="14 XDP cubes there take one each, besides 20 more of cube 'calls'"):
        bench.join("more")
    with pytest.raises(XdpChainFull, match="21 more of cube 'calls'"):
        bench.members["calls"].update(bench.counter(code=calling(21)).program)

    assert dict.fromkeys(["calls", *names], 3) == bench.packets(3)


def test_programs_for_packets_in_fragments_go_together(bench):
    """The kernel wants the dispatcher, too, to be one of them; another kind is refused, new or in place of one."""
    bench.join("first", section="xdp.frags")
    bench.join("second", section="xdp.frags")
    assert {"first": 3, "second": 3} == bench.packets(3)

    message = r"cube 'first' takes packets in fragments \(SEC\(\"xdp.frags\"\)\) and cube 'other' does not"
    with pytest.raises(FragmentsDiffer, match=message):
        bench.join("other")
    with pytest.raises(FragmentsDiffer, match=r"cube 'second' takes .* and cube 'first' does not"):
        bench.members["first"].update(bench.counter().program)
    assert {"first": 3, "second": 3} == bench.packets(3)

    bench.members["second"].close()
    bench.members["first"].update(bench.counter().program)
    bench.join("other")
    assert 2 == bench.packets(2)["other"]


@MODES
def test_the_two_modes_do_not_mix(bench, mode):
    bench.join("first", mode=mode)
    other = {"skb": "drv", "drv": "skb"}[mode]

    with pytest.raises(XdpModesDiffer, match=f"cube 'first' is there as XDP_{mode.upper()}") as refused:
        bench.join("second", mode=other)

    assert ("attach", ["first"]) == tuple(refused.value.fields()[key] for key in ("stage", "cubes"))
    assert {"first": 2} == bench.packets(2)


def test_a_foreign_program_keeps_its_place(bench):
    foreign = bench.counter()
    with attach_xdp(foreign.program, bench.index, "skb", interface_name=bench.veth.host):
        with pytest.raises(InterfaceBusy, match=f"id {foreign.program.id}"):
            bench.join("ours")
        bench.veth.send_in(FRAME, count=4)
        assert 4 == foreign.packets()


def test_a_driver_without_native_xdp_is_refused_with_a_hint(bench):
    chain = XdpChain(bench.foundry, Located(socket.if_nametoindex("lo"), None))

    with pytest.raises(ModeUnsupported, match="its driver has no XDP in 'drv' mode") as refused:
        chain.join("ours", bench.counter().program, "drv", port="lo", before=None)

    assert "try XDP_SKB" == refused.value.hint


@pytest.mark.parametrize("there", [1, 2, 3])
def test_a_change_that_fails_leaves_the_chain_as_it_was(bench, there, monkeypatch):
    names = "abc"[:there]
    for name in names:
        bench.join(name)
    before = bench.program_id

    def refuse(_):
        raise KernelError("replace the program", OSError(errno.ENOMEM, "no memory"))

    extra = bench.counter()
    opened = len(open_descriptors())
    with monkeypatch.context() as patch:
        patch.setattr(bench.chain._link, "update", refuse)
        with pytest.raises(KernelError):
            bench.chain.join("more", extra.program, "skb", port=bench.veth.host, before=bench.members["a"])

    assert (before, opened) == (bench.program_id, len(open_descriptors()))
    assert dict.fromkeys(names, 5) == bench.packets(5)
    bench.join("last")
    assert dict.fromkeys([*names, "last"], 2) == bench.packets(2)


def test_code_that_the_kernel_refuses_leaves_the_slot_as_it_was(bench):
    for name in "ab":
        bench.join(name)
    with taken_away(bench.chain.dispatcher.slots.fd), pytest.raises(KernelError):
        bench.members["a"].update(bench.counter().program)

    assert {"a": 5, "b": 5} == bench.packets(5)


def test_who_leaves_is_out_even_if_there_can_be_no_new_dispatcher(bench, monkeypatch):
    """Its slot is passed over until the next change, which closes the gap."""
    for name in "abc":
        bench.join(name)

    def refuse(*_):
        raise KernelError("make a map", OSError(errno.ENOMEM, "no memory"))

    with monkeypatch.context() as patch:
        patch.setattr(bench.chain, "_new_dispatcher", refuse)
        bench.members["b"].close()
        assert {"a": 4, "b": 0, "c": 4} == bench.packets(4)
        bench.members["c"].update(bench.counter("XDP_DROP").program)
        assert {"a": 4, "b": 0, "c": 0} == bench.packets(4)
        bench.members["c"].update(bench.counters["c"].program)

    bench.join("d", before="c")
    assert {"a": 3, "b": 0, "d": 3, "c": 3} == bench.packets(3)


def test_a_member_whose_program_is_closed_is_no_hindrance(bench):
    """The garbage collector may close a cube in the middle of a change; the next one is without it."""
    for name in "abc":
        bench.join(name)
    bench.counters.pop("b").program.close()

    bench.join("d")
    assert dict.fromkeys("acd", 3) == bench.packets(3)
    for name in "abc":
        bench.members[name].close()
    assert 2 == bench.packets(2)["d"]


@pytest.mark.parametrize("there", ["a", "ab", "abc"])
def test_a_link_that_somebody_detached_is_made_again_with_all_members(bench, there):
    """By whoever comes next; one who was told to run other code meanwhile runs that."""
    for name in there:
        bench.join(name)
    run("bpftool", "link", "detach", "id", str(bench.members["a"].id))
    assert not any(member.is_attached() for member in bench.members.values())
    assert dict.fromkeys(there, 0) == bench.packets(3)
    new = bench.counter()
    if len(there) > 1:
        with pytest.raises(InterfaceNotFound):
            bench.members["b"].update(new.program)
        bench.counters["b"] = new

    bench.join("last")

    assert dict.fromkeys([*there, "last"], 4) == bench.packets(4)
    assert all(member.is_attached() for member in bench.members.values())


def test_a_detached_chain_does_not_come_back_when_one_leaves(bench):
    for name in "abc":
        bench.join(name)
    run("bpftool", "link", "detach", "id", str(bench.members["a"].id))

    bench.members["b"].close()

    assert 0 == bench.program_id
    foreign = bench.counter()
    with attach_xdp(foreign.program, bench.index, "skb", interface_name=bench.veth.host):
        with pytest.raises(InterfaceBusy):
            bench.join("d")
        for name in "ac":
            bench.members[name].close()
        bench.veth.send_in(FRAME, count=2)
        assert 2 == foreign.packets()


def test_an_interface_that_goes_away_takes_the_chain_with_it(foundry):
    with veth_pair() as veth, Bench(foundry, veth) as bench:
        for name in "ab":
            bench.join(name)
        run("ip", "link", "del", veth.host)

        for name in "ab":
            with pytest.raises(InterfaceNotFound, match=veth.host):
                bench.members[name].update(bench.counter().program)
        with pytest.raises(InterfaceNotFound, match=veth.host):
            bench.join("c")
