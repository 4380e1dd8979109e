"""Fixtures: a loader, and programs that count packets."""

import socket

import pytest

from dynmon.bpf import Loader, LoadRequest, ProgramType
from tests.kernel.bpf.objects import TC_COUNTER, XDP_COUNTER, compile_c
from tests.support import needs


def pytest_collection_modifyitems(items):
    """All of these load code into the kernel."""
    for item in items:
        if "tests/kernel/bpf" in str(item.path):
            item.add_marker(needs("kernel", "clang", "bpftool"))


@pytest.fixture(scope="session")
def loader():
    with Loader() as process:
        yield process


def request_for(code, **changes):
    """A request for the program ``dynmon_ingress`` of `code`, which is C or an object."""
    raw = compile_c(code) if isinstance(code, str) else code
    facts = {
        "program": "dynmon_ingress",
        "program_type": ProgramType.SCHED_CLS,
        "file": "ingress",
        "memory_bytes": 1 << 28,
    }
    return LoadRequest(object=raw, **{**facts, **changes})


@pytest.fixture
def load(loader):
    """Load C, or an object; what was loaded is closed at the end."""
    loaded = []

    def load_one(code, **changes):
        loaded.append(loader.load(request_for(code, **changes)))
        return loaded[-1]

    yield load_one
    for each in loaded:
        each.close()


class Counter:
    """A program that counts the packets it sees, and lets them pass."""

    def __init__(self, loaded):
        self.program = loaded.program
        self.bpf_map = loaded.maps["packets"]

    def packets(self):
        return int.from_bytes(self.bpf_map.lookup(bytes(4)), "little")


@pytest.fixture
def counter(load):
    return Counter(load(TC_COUNTER))


@pytest.fixture
def another_counter(load):
    return Counter(load(TC_COUNTER))


@pytest.fixture
def xdp_counter(load):
    return Counter(load(XDP_COUNTER, program_type=ProgramType.XDP))


@pytest.fixture
def index(veth):
    """The number of the host's interface."""
    return socket.if_nametoindex(veth.host)
