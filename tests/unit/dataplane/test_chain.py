"""The order of cubes on an interface."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from dynmon.dataplane import AttachPoint, Chain, NotOnChain
from dynmon.models import AttachRequest, Direction
from dynmon.netdev import Located


@dataclass
class Cube:
    name: str
    links: dict = field(default_factory=dict)

    def link(self, _, direction):
        return self.links.get(direction)


def request(name, **place):
    return AttachRequest(cube=name, port="veth1", **place)


def chain_of(*requests):
    chain = Chain("veth1")
    for each in requests:
        chain.members.insert(chain.index_for(each), Cube(each.cube))
    return [member.name for member in chain.members]


def test_the_published_order():
    """The sequence that the original's own chain test attaches in."""
    assert ["th1", "th2", "th3", "th4", "th5"] == chain_of(
        request("th3"),
        request("th1", position="first"),
        request("th5", position="last"),
        request("th2", after="th1"),
        request("th4", before="th5"),
    )


def test_without_a_position_a_cube_goes_last():
    assert ["a", "b", "c"] == chain_of(request("a"), request("b"), request("c", position="auto"))


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_neighbour_must_be_there(place):
    with pytest.raises(NotOnChain, match="cube 'x' is not attached to 'veth1'; cubes attached there: none"):
        Chain("veth1").index_for(request("a", **{place: "x"}))


@dataclass(frozen=True)
class Held:
    name: str
    kind: str = "tcx"


def point_with(*members):
    point = AttachPoint(Located(7, None), "veth1")
    point.at_wire.members = list(members)
    return point


def port_with(*members):
    chain = Chain("br1:p")
    chain.members = list(members)
    return chain


@pytest.mark.parametrize(("direction", "expected"), [(Direction.INGRESS, "c"), (Direction.EGRESS, "a")])
def test_the_successor_is_the_next_that_has_code(direction, expected):
    """Received packets go up the chain, sent ones down; cubes without code for a direction have no program there."""
    point = point_with(*(Cube(name, {direction: Held(name)} if name in "ac" else {}) for name in "abmdc"))

    assert expected == point.successor(point.at_wire.members[2], direction).name


def test_a_program_at_xdp_is_no_successor():
    """It runs before everything at tc, wherever it is in the chain."""
    held = [None, Held("x", "xdp"), Held("t")]
    point = point_with(*(Cube(str(link), {Direction.INGRESS: link} if link else {}) for link in held))

    assert "t" == point.successor(point.at_wire.members[0], Direction.INGRESS).name


def test_the_successor_at_xdp_is_the_next_one_there():
    """A cube at tc in between is passed over, and so is the end of what is at tc."""
    links = {"a": Held("a", "xdp"), "t": Held("t"), "b": Held("b", "xdp"), "u": Held("u")}
    point = point_with(*(Cube(name, {Direction.INGRESS: link}) for name, link in links.items()))
    point.end = Held("end")
    first, _, second, _ = point.at_wire.members

    assert links["b"] is point.successor(first, Direction.INGRESS, at_xdp=True)
    assert point.successor(second, Direction.INGRESS, at_xdp=True) is None


def test_the_last_one_has_no_successor():
    point = point_with(Cube("a", {Direction.INGRESS: Held("a")}), Cube("m"))

    assert point.successor(point.at_wire.members[1], Direction.INGRESS) is None


def test_a_port_is_behind_its_interface_and_its_index_0_nearest_the_cube():
    point = point_with(Cube("wire0"), Cube("wire1"))
    point.at_port = port_with(Cube("port0"), Cube("port1"))

    order = ["wire0", "wire1", "port1", "port0"]
    assert order == [member.name for member in point.running_order(Direction.INGRESS)]
    assert order[::-1] == [member.name for member in point.running_order(Direction.EGRESS)]


def test_received_packets_meet_the_cube_of_the_port_last():
    point = point_with(Cube("wire"))
    point.at_port = port_with(Cube("port"))
    point.end = Held("end")

    for member in (*point.at_wire.members, *point.at_port.members):
        assert point.end is point.successor(member, Direction.INGRESS)
        assert point.successor(member, Direction.EGRESS) is None
