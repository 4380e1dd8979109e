"""Any number of XDP programs on one interface, in an order.

What we want: several cubes see the packets at XDP, in the order of their chain and as long as each lets a packet pass.
A cube comes, goes or gets new code, or its twin takes over for a read, and no packet is missed or counted twice, by
that cube or by the others.

Why it is hard: the kernel has one place for XDP on an interface. What does not work: one program made of all cubes'
code would be compiled anew for every change, and takes no objects; replacing functions of a loaded program by others
(freplace, as libxdp does) wants each member loaded for the program it goes into, so that it could not come along into
the next one.

What we do: the place is held by one link. A cube that is alone runs from it directly. As soon as there are two, the
link runs a dispatcher of ours, which calls each member by a tail call out of a function (see dispatcher.bpf.c): that
takes any program as it is. Who is there, and in which order, is fixed when a dispatcher is loaded. For another order
another dispatcher is loaded, its slots are filled, and the link is told to run it: one atomic store. Other code for a
member is an atomic store too, into its slot.

The kernel empties the slots of a dispatcher when the last descriptor of theirs is closed, though packets may be on
their way through it. So a dispatcher is closed a grace period after the link has left it.

What remains: the kernel counts the tail calls of a packet, of the dispatcher and of all members together, and makes no
more than 33 (before Linux 6.12, 116e04ba1459, each member began at the dispatcher's count). A chain that may need more
is refused. A program that calls in circles can use up the calls of the members behind it, which then do not see the
packet.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from dynmon.bpf import BpfLink, GracePeriod, Link, Program, VerifierError, attach_xdp
from dynmon.bpf.program import MOST_TAIL_CALLS
from dynmon.dataplane.chain_errors import FragmentsDiffer, XdpChainFull, XdpChainUnsupported, XdpModesDiffer
from dynmon.dataplane.dispatcher import Dispatcher
from dynmon.dataplane.path import Foundry
from dynmon.errors import DynmonError, KernelError
from dynmon.netdev import InterfaceNotFound, Located


class XdpMember(Link):
    """A cube's place in the chain. Its program stays its owner's, who leaves the chain before it is closed."""

    kind = "xdp"

    def __init__(self, chain: XdpChain, cube: str, program: Program, mode: str, port: str) -> None:
        self._chain = chain
        self.id = None
        self.cube = cube
        self.program = program
        self.mode = mode
        self.port = port

    @property
    def dispatcher(self) -> Dispatcher | None:
        """What calls its program, None where the link runs it."""
        return self._chain.dispatcher

    def update(self, program: Program) -> None:
        self._chain.update(self, program)

    def close(self) -> None:
        self._chain.leave(self)

    def is_attached(self) -> bool:
        return self._chain.is_attached(self)

    def abandon(self) -> None:
        self._chain.abandon()


class XdpChain:
    """What is ours at one interface's place for XDP; owns the link and the dispatcher.

    Members come and go while their owners' changes are kept apart; their programs may be replaced meanwhile, by any
    thread, and wait for it.
    """

    def __init__(self, foundry: Foundry, located: Located) -> None:
        self._foundry = foundry
        self._located = located
        self._lock = threading.RLock()
        self._grace = GracePeriod()
        self._link: BpfLink | None = None
        self._members: list[XdpMember] = []
        self._slots: list[XdpMember] = []  # as the dispatcher has them
        self.dispatcher: Dispatcher | None = None
        self._retired: list[Dispatcher] = []  # packets may still be in there

    def join(self, cube: str, program: Program, mode: str, *, port: str, before: Link | None) -> XdpMember:
        """Let `program` of `cube` run behind the others, or in front of the member `before`.

        If somebody has taken our link off, all are attached again.

        Raises:
            XdpModesDiffer, FragmentsDiffer, XdpChainFull: The cubes that are there are in the way.
            InterfaceBusy, ModeUnsupported, InterfaceNotFound: See `attach_xdp`.
            DynmonError: The kernel refused. Nothing has changed.
        """
        with self._lock:
            for other in self._members:
                if other.mode != mode:
                    raise XdpModesDiffer(port, mode, other.cube, other.mode)
            member = XdpMember(self, cube, program, mode, port)
            wanted = self._living()
            wanted.insert(next((at for at, each in enumerate(wanted) if each is before), len(wanted)), member)
            self._run(wanted, port)
            return member

    def update(self, member: XdpMember, program: Program) -> None:
        """Run another program in the place of `member`, from the next packet on.

        Raises:
            InterfaceNotFound: The interface went away, or somebody took our link off.
            FragmentsDiffer, XdpChainFull: The other cubes are in the way. Nothing has changed.
        """
        with self._lock:
            if member not in self._members:
                raise InterfaceNotFound(member.port)
            if not self._link or not self._link.is_attached():
                member.program = program  # who attaches again runs what ought to run
                raise InterfaceNotFound(member.port)
            if self.dispatcher:
                _check({each: each.program for each in self._members} | {member: program}, member.port)
                self.dispatcher.put(self._slots.index(member), program)
            else:
                self._link.update(program)
            member.program = program

    def leave(self, member: XdpMember) -> None:
        """Take a member out; twice is harmless."""
        with self._lock:
            if member not in self._members:
                return
            is_attached = self.is_attached(member)
            rest = self._members = [each for each in self._living() if each is not member]
            if not rest:
                self._end()
            elif is_attached:
                try:
                    self._run(rest, member.port)
                except DynmonError:
                    # It goes whatever happens; its slot is empty until the next change.
                    if self.dispatcher and member in self._slots:
                        self.dispatcher.empty(self._slots.index(member))

    def is_attached(self, member: XdpMember) -> bool:
        """Whether our link, and the member behind it, are still at the interface."""
        with self._lock:
            return member in self._members and self._link is not None and self._link.is_attached()

    def abandon(self) -> None:
        """In a forked child: close its copies of the descriptors."""
        if self._link:
            self._link.abandon()
        for each in (self.dispatcher, *self._retired):
            if each:
                each.close()
        self._grace.close()
        # They know us: without the circle the foundry's sockets are closed with whoever let us go.
        self._members, self._slots = [], []

    def _living(self) -> list[XdpMember]:
        """The members, without one that the garbage collector took away, program and all, in the middle of a change."""
        return [each for each in self._members if each.program.fd >= 0]

    def _run(self, wanted: Sequence[XdpMember], port: str) -> None:
        """Let packets meet `wanted`, and nobody else of ours, from one packet to the next."""
        with ExitStack() as undo:
            dispatcher, entry = None, wanted[0].program
            if len(wanted) > 1:
                _check({each: each.program for each in wanted}, port)
                dispatcher = undo.enter_context(self._new_dispatcher([each.program for each in wanted], port))
                entry = dispatcher.program
            link = self._enter_at(entry, wanted[0].mode, port)
            undo.pop_all()
        for each in wanted:
            each.id = link.id
        self._link, self._members, self._slots = link, list(wanted), list(wanted)
        self._retire(dispatcher)

    def _new_dispatcher(self, programs: Sequence[Program], port: str) -> Dispatcher:
        try:
            return Dispatcher.of(self._foundry, programs)
        except VerifierError as error:
            raise XdpChainUnsupported(port, error.reason) from error

    def _enter_at(self, program: Program, mode: str, port: str) -> BpfLink:
        """Let packets come to `program` first; gives the link that does it."""
        if self._link and self._link.is_attached():
            self._link.update(program)
            return self._link
        link = attach_xdp(program, self._located.index, mode, interface_name=port, namespace=self._located.namespace)
        if self._link:
            self._link.close()
        return link

    def _end(self) -> None:
        link, self._link = self._link, None
        if link:
            link.close()
        self._retire(None)
        self._grace.close()

    def _retire(self, successor: Dispatcher | None) -> None:
        """Close the dispatcher as soon as no packet is in it; what cannot be waited for goes with the next one."""
        if self.dispatcher:
            self._retired.append(self.dispatcher)
        self.dispatcher = successor
        if self._retired:
            with suppress(KernelError):
                self._grace.wait()
                while self._retired:
                    self._retired.pop().close()


def _check(programs: dict[XdpMember, Program], port: str) -> None:
    """See to it that the kernel can run them one after the other.

    Raises:
        FragmentsDiffer, XdpChainFull: It cannot.
    """
    calls = {member.cube: program.tail_calls for member, program in programs.items()}
    if len(calls) + sum(calls.values()) > MOST_TAIL_CALLS:
        raise XdpChainFull(port, calls)
    takes = {program.takes_fragments: member.cube for member, program in reversed(programs.items())}
    if len(takes) > 1:
        raise FragmentsDiffer(port, takes[True], takes[False])
