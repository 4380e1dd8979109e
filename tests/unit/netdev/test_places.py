"""A port's name in its parts."""

from __future__ import annotations

import pytest

from dynmon.netdev import InvalidPort, Place


@pytest.mark.parametrize(
    ("port", "place"),
    [
        ("eth0", Place("eth0")),
        ("eth0.100", Place("eth0.100")),
        ("br0:eth1", Place("eth1", "br0")),
        ("netns/blue/eth0", Place("eth0", namespace="netns/blue")),
        ("netns/blue green/eth0", Place("eth0", namespace="netns/blue green")),
        ("netns/..blue/br0:eth1", Place("eth1", "br0", "netns/..blue")),
        ("pid/1234/eth0", Place("eth0", namespace="pid/1234")),
        ("pid/1/bond0:eth0", Place("eth0", "bond0", "pid/1")),
    ],
)
def test_a_name_is_taken_apart_and_put_together(port, place):
    assert place == Place.parse(port)
    assert port == str(place)


def test_a_renamed_interface_keeps_its_place():
    assert "netns/blue/br0:uplink" == str(Place.parse("netns/blue/br0:eth1").renamed("uplink"))


@pytest.mark.parametrize(
    ("port", "reason"),
    [
        ("netns/../eth0", "'..' is not the name of a namespace"),
        ("netns/./eth0", "'.' is not the name of a namespace"),
        ("netns//eth0", "'' is not the name of a namespace"),
        ("netns/a\0b/eth0", "'a\\x00b' is not the name of a namespace"),
        ("netns/a\ud800/eth0", "'a\\ud800' is not the name of a namespace"),
        ("netns/../../etc/eth0", "it has slashes, but is in no namespace"),
        ("netns/eth0", "'' is not the name of a namespace"),
        ("pid/self/eth0", "'self' is not the number of a process"),
        ("pid/0/eth0", "'0' is not the number of a process"),
        ("pid/-1/eth0", "'-1' is not the number of a process"),
        ("pid/\u0661/eth0", "'\u0661' is not the number of a process"),
        ("pid/1/task/2/eth0", "it has slashes, but is in no namespace"),
        ("/eth0", "it has slashes, but is in no namespace"),
        ("home/blue/eth0", "it has slashes, but is in no namespace"),
        ("br0:netns/blue/eth0", "it has slashes, but is in no namespace"),
        ("netns/blue/", "a name is missing"),
        ("netns/blue/br0:", "a name is missing"),
        (":eth1", "a name is missing"),
        ("br0:", "a name is missing"),
        ("a:b:c", "it has more than one colon"),
    ],
)
def test_what_cannot_be_a_port_is_refused_with_the_reason(port, reason):
    with pytest.raises(InvalidPort) as caught:
        Place.parse(port)

    forms = "write IF, netns/NAME/IF or pid/PID/IF, with MASTER: before IF where it is a port of MASTER"
    assert f"port {port!r}: {reason}; {forms}" == str(caught.value)
    assert {"port": port} == caught.value.fields()
