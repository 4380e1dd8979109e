"""Return values become what happens to the packet."""

import pytest

from dynmon.compiler import Spelling
from dynmon.models import Hook
from dynmon.trial.helpers import helper_name
from dynmon.trial.verdicts import verdicts


@pytest.mark.parametrize(
    ("hook", "value", "verdict", "returned"),
    [
        (Hook.TC, -1, "pass", "TC_ACT_UNSPEC"),
        (Hook.TC, 0, "pass", "TC_ACT_OK"),
        (Hook.TC, 2, "drop", "TC_ACT_SHOT"),
        (Hook.TC, 3, "pass", "TC_ACT_PIPE"),
        (Hook.TC, 7, "redirect", "TC_ACT_REDIRECT"),
        (Hook.TC, 99, "pass", "99"),
        (Hook.XDP, 0, "abort", "XDP_ABORTED"),
        (Hook.XDP, 1, "drop", "XDP_DROP"),
        (Hook.XDP, 2, "pass", "XDP_PASS"),
        (Hook.XDP, 3, "transmit", "XDP_TX"),
        (Hook.XDP, 4, "redirect", "XDP_REDIRECT"),
        (Hook.XDP, 99, "abort", "99"),
    ],
)
def test_code_of_others_is_told_in_the_kernels_words(hook, value, verdict, returned):
    [found] = verdicts({value: 3}, hook, Spelling.LIBBPF, 0)

    assert (verdict, returned, 3) == (found.verdict, found.returned, found.packets)


@pytest.mark.parametrize(("hook", "passed", "dropped"), [(Hook.TC, -1, 2), (Hook.XDP, 2, 1)])
def test_the_dialect_is_told_in_its_own_words(hook, passed, dropped):
    """The most frequent first; what passed by mistake is told apart."""
    found = list(verdicts({passed: 10, dropped: 20}, hook, Spelling.DIALECT, 4))

    assert [("drop", "RX_DROP", 20), ("pass", "RX_OK", 6), ("pass", "neither RX_OK nor RX_DROP", 4)] == [
        (each.verdict, each.returned, each.packets) for each in found
    ]


def test_a_verdict_that_nobody_meant_is_not_told_twice():
    found = list(verdicts({-1: 4}, Hook.TC, Spelling.DIALECT, 4))

    assert ["neither RX_OK nor RX_DROP"] == [each.returned for each in found]


def test_helpers_have_names():
    assert ["bpf_map_lookup_elem", "bpf_redirect", "bpf_ringbuf_submit", "100000"] == [
        helper_name(number) for number in (1, 23, 132, 100000)
    ]
