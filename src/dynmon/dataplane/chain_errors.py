"""Why a program cannot share an interface with the other XDP programs of ours there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dynmon.bpf.errors import AttachRefusal
from dynmon.bpf.program import MOST_TAIL_CALLS
from dynmon.errors import ConflictError, UnsupportedError
from dynmon.models import Direction


class _ChainRefusal(AttachRefusal, ConflictError):
    """Shared by what is in the way between the cubes of one interface."""

    def __init__(self, interface: str, message: str, hint: str, cubes: Sequence[str]) -> None:
        super().__init__(interface, Direction.INGRESS, message, hint)
        self.cubes = tuple(cubes)

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "cubes": list(self.cubes)}


class XdpModesDiffer(_ChainRefusal):
    """An interface runs XDP in one mode, and cubes of the other are there."""

    def __init__(self, interface: str, mode: str, other: str, other_mode: str) -> None:
        there, wanted = f"XDP_{other_mode.upper()}", f"XDP_{mode.upper()}"
        super().__init__(
            interface,
            f"cube {other!r} is there as {there}, and the kernel runs no {wanted} program beside it",
            f"make the cube of type {there} or TC, or detach {other!r} first",
            [other],
        )


class FragmentsDiffer(_ChainRefusal):
    """The kernel does not let programs for packets in fragments and others call one another."""

    def __init__(self, interface: str, takes: str, takes_not: str) -> None:
        super().__init__(
            interface,
            f'cube {takes!r} takes packets in fragments (SEC("xdp.frags")) and cube {takes_not!r} does not; '
            "the kernel runs only programs of one kind after another",
            'write SEC("xdp.frags") in all of them or in none, or make one of type TC',
            [takes, takes_not],
        )


class XdpChainFull(_ChainRefusal):
    """More tail calls would be needed for one packet than the kernel allows."""

    def __init__(self, interface: str, calls: Mapping[str, int]) -> None:
        own = {name: each for name, each in calls.items() if each}
        listed = ", ".join(f"{each} more of cube {name!r}" for name, each in own.items())
        super().__init__(
            interface,
            f"the kernel allows {MOST_TAIL_CALLS} tail calls for a packet, and {len(calls)} XDP cubes there take one "
            f"each{f', besides {listed}' if own else ''}",
            "detach another one first, or make the cube of type TC",
            list(calls),
        )
        self.tail_calls = len(calls) + sum(own.values())

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "tail-calls": self.tail_calls}


class XdpChainUnsupported(AttachRefusal, UnsupportedError):
    """This kernel cannot run several XDP programs one after the other."""

    def __init__(self, interface: str, reason: str) -> None:
        super().__init__(
            interface,
            Direction.INGRESS,
            f"this kernel does not run several XDP programs on one interface: {reason}",
            "make the cube of type TC",
        )
