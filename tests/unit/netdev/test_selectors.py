"""Which texts are selectors, and which interfaces they mean."""

from __future__ import annotations

import pytest

from dynmon.netdev import InvalidPort, NetLink, Selector

LINKS = {
    link.index: link
    for link in (
        NetLink(1, "lo", "", None, is_loopback=True),
        NetLink(2, "eth0", "", None, is_loopback=False),
        NetLink(3, "eth10", "veth", 7, is_loopback=False),
        NetLink(4, "all", "dummy", 9, is_loopback=False),
        NetLink(5, "a=b", "veth", None, is_loopback=False),
        NetLink(7, "br0", "bridge", None, is_loopback=False),
    )
}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("eth*", ["eth0", "eth10"]),
        ("eth?", ["eth0"]),
        ("ETH*", []),
        ("l*", []),
        ("[a]ll", ["all"]),
        ("a[=]b", ["a=b"]),
        ("type=veth", ["eth10", "a=b"]),
        ("master=br0", ["eth10"]),
        ("master=br9", []),
        ("all", ["eth0", "eth10", "all", "a=b", "br0"]),
    ],
)
def test_what_a_selector_means(text, names):
    """The loopback never; an interface whose master is unknown, by no master."""
    selector = Selector.parse(text)

    assert names == [link.name for link in LINKS.values() if selector.matches(link, LINKS)]


@pytest.mark.parametrize(
    "text", ["eth0", "br0:eth1", "netns/blue/eth0", "netns/blue/all", "netns/a=b/eth0", "ALL", "-"]
)
def test_names_of_ports_are_no_selectors(text):
    assert Selector.parse(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("netns/blue/eth*", "a selector chooses among the interfaces of the daemon's own namespace"),
        ("netns/blue/type=veth", "a selector chooses among the interfaces of the daemon's own namespace"),
        ("br0:*", "a selector chooses among the interfaces of the daemon's own namespace"),
        ("kind=veth", r"for an interface of this name write kind\[=\]veth"),
        ("type=", "selectors are"),
        ("=x", "selectors are"),
    ],
)
def test_what_looks_like_a_selector_and_is_none(text, reason):
    with pytest.raises(InvalidPort, match=reason):
        Selector.parse(text)
