"""Many clients change the same cubes at once: nothing fails unexpectedly, nothing is left behind."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.daemon import Daemon
from tests.support import Veth, needs, run, wait_until

pytestmark = needs("clang", "kernel")

CLIENTS = 16
SECONDS = 4.0
CODE = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) { return RX_OK; }\n"
PATH = {
    "name": "counts",
    "code": "BPF_ARRAY(N, u64, 1);\n" + CODE,
    "metric-configs": [{"name": "n", "map-name": "N"}],
}
CONFIG = {"ingress-path": PATH, "egress-path": PATH}


def kernel_descriptors(daemon: Daemon) -> int:
    """How many programs, maps and links the daemon holds."""
    listed = run("ls", "-l", f"/proc/{daemon.process.pid}/fd", check=False)
    return listed.count("anon_inode:bpf")


def changes(api: httpx.Client, name: str, port: str) -> list[Callable[[], httpx.Response]]:
    """What a client may want of a cube."""
    cube = f"/dynmon/{name}"
    return [
        lambda: api.post(cube, json={"dataplane-config": CONFIG}),
        lambda: api.post(cube),
        lambda: api.delete(cube),
        lambda: api.put(f"{cube}/dataplane-config", json=CONFIG),
        lambda: api.delete(f"{cube}/dataplane-config/egress-path"),
        lambda: api.patch(f"{cube}/loglevel", content=b'"DEBUG"'),
        lambda: api.post("/attach", json={"cube": name, "port": port, "position": "first"}),
        lambda: api.post("/detach", json={"cube": name, "port": port}),
        lambda: api.get(f"{cube}/metrics"),
        lambda: api.get(f"/topology/{port}"),
    ]


def change_at_random(daemon: Daemon, ports: tuple[str, ...], seed: int) -> set[int]:
    """Do so for a while; returns the statuses that came."""
    chance = random.Random(seed)
    end = time.monotonic() + SECONDS
    statuses = set()
    with httpx.Client(base_url=daemon.api, trust_env=False, timeout=30) as api:
        while time.monotonic() < end:
            change = chance.choice(changes(api, chance.choice("ab"), chance.choice(ports)))
            statuses.add(change().status_code)
    return statuses


def attached(api: httpx.Client, port: str) -> list[str]:
    """The cubes in the chain of an interface."""
    chain: dict[str, Any] = api.get(f"/topology/{port}").json()
    return sorted(entry.partition(",")[0] for entry in chain.get("cubes, ingress_index, egress_index", ()))


@pytest.fixture
def api(daemon: Daemon) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=daemon.api, trust_env=False, timeout=30) as api:
        yield api


def test_a_storm_of_changes_leaves_nothing_behind(daemon: Daemon, api: httpx.Client, veth: Veth) -> None:
    """Sixteen clients create, inject, attach, detach and delete two cubes on two interfaces."""
    ports = (veth.host, "lo")
    before = kernel_descriptors(daemon)

    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = set().union(*pool.map(lambda seed: change_at_random(daemon, ports, seed), range(CLIENTS)))
    assert statuses <= {200, 201, 204, 404, 409}

    cubes = api.get("/topology").json()
    for port in ports:
        assert sorted(cube["name"] for cube in cubes if cube["parent"] == port) == attached(api, port)
    for cube in cubes:
        assert 200 == api.delete(f"/dynmon/{cube['name']}").status_code
    assert [] == attached(api, ports[0]) + attached(api, ports[1])
    wait_until(lambda: before == kernel_descriptors(daemon), "the programs and maps to go")
