"""Reads, scrapes, windows, pages and injections in any order: each reader sees each packet where it must."""

import os

import pytest

from dynmon.bpf.features import HIDE_VARIABLE
from dynmon.models import CubeType
from tests.kernel.cubes.any_order import Walk
from tests.support import veth_pair

WALKS = int(os.environ.get("ANY_ORDER_WALKS", "4"))
FIRST = int(os.environ.get("ANY_ORDER_FIRST", "0"))
STEPS = int(os.environ.get("ANY_ORDER_STEPS", "150"))
HOOKS = [(CubeType.TC, ""), (CubeType.TC, "tcx"), (CubeType.XDP_SKB, ""), (CubeType.XDP_DRV, "")]


@pytest.fixture(scope="module")
def line():
    with veth_pair() as veth:
        yield veth


@pytest.mark.parametrize("seed", range(FIRST, FIRST + WALKS))
def test_every_reader_sees_every_packet_where_it_must(registry, line, monkeypatch, seed):
    cube_type, hidden = HOOKS[seed % len(HOOKS)]
    monkeypatch.setenv(HIDE_VARIABLE, hidden)
    Walk(registry, line, seed, cube_type).run(STEPS)
