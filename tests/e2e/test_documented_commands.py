"""The commands of the original's documentation, typed as they are there, against a real interface."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import running_daemon
from tests.support import needs, run, veth_pair

pytestmark = needs("kernel", "clang")

PINGS = 1000
DEFAULT_PORT, OTHER_PORT = 9000, 5840


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    """Interfaces eno0 and eno1, each joined to another host; port 9000 is free, the namespace is ours."""
    with (
        veth_pair(addresses=("10.70.0.1/24", "10.70.0.2/24"), host="eno0"),
        veth_pair(addresses=("10.71.0.1/24", "10.71.0.2/24"), host="eno1") as other,
    ):
        yield other


@pytest.fixture(scope="module")
def shell(hosts, repository, state_root):
    """A shell in the project's folder, and the daemons of the documentation."""

    def type_in(line: str, folder: str = ".") -> str:
        result = subprocess.run(
            ["bash", "-c", line],
            cwd=repository / folder,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(state_root)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert 0 == result.returncode, f"{line}\n{result.stdout}{result.stderr}"
        assert "" == result.stderr or line.startswith("curl"), result.stderr
        return result.stdout

    with (
        running_daemon(state_root / "default", "--port", str(DEFAULT_PORT)),
        running_daemon(state_root / "other", "--port", str(OTHER_PORT)),
    ):
        yield type_in


def received(interface: str) -> int:
    [link] = json.loads(run("ip", "-s", "-j", "link", "show", interface))
    return link["stats64"]["rx"]["packets"]


def test_the_commands_count_what_the_interface_counts(shell):
    """The answers to a thousand pings are what the interface received, and what the monitor counted."""
    shell("polycubectl dynmon add monitor")
    shell("curl -T examples/packet_counter.json localhost:9000/polycube/v1/dynmon/monitor/dataplane-config")
    shell("polycubectl attach monitor eno0")
    before = received("eno0")

    run("ping", "-q", "-c", str(PINGS), "-i", "0.001", "10.70.0.2", timeout_seconds=60)

    assert PINGS == received("eno0") - before
    assert f"[{PINGS}]" in shell("polycubectl monitor metrics show")
    assert f"[{PINGS}]\n" == shell("polycubectl monitor metrics ingress-metrics packets_total value show")
    assert f"\npackets_total {PINGS}\n" in shell("polycubectl monitor open-metrics show")
    assert "monitor ---> stack" in shell("polycubectl topology show eno0")

    shell("polycubectl detach monitor eno0 ; polycubectl dynmon del monitor")
    assert "monitor" not in shell("polycubectl dynmon show")


@pytest.mark.parametrize("options", ["", f"-a 127.0.0.1 -p {OTHER_PORT} "])
def test_the_injector_as_documented(shell, hosts, options):
    """`dynmon_injector.py` makes the cube, attaches it and injects; the extractor reads it."""
    printed = shell(f"./dynmon_injector.py {options}monitor_0 eno1 ../examples/packet_counter.json", "tools")
    assert "Creating new dynmon instance named monitor_0" in printed

    run("ping", "-q", "-c", "20", "-i", "0.001", "10.71.0.2")

    extracted = shell(f"./dynmon_extractor.py {options}monitor_0 -t ingress -n packets_total", "tools")
    assert [20] == json.loads(extracted)
    again = shell(f"./dynmon_injector.py {options}monitor_0 eno1 ../examples/packet_counter.json", "tools")
    assert "Dynmon monitor_0 already exist" in again
    assert "Injecting the new dataplane" in again


def test_the_requirements_of_the_tools_are_installable(shell):
    """`pip install -r requirements.txt` has nothing left to do after setup."""
    shell("pip install --quiet --disable-pip-version-check --no-index -r requirements.txt", "tools")


UNCHECKED = """\
#include <linux/ip.h>

BPF_HASH(bytes_by_source, u32, u64, 1024);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + 14;

	if ((void *)(ip + 1) > data_end)
		return RX_OK;

	u32 source = ip->saddr;
	u64 *bytes = bytes_by_source.lookup(&source);

	*bytes += md->packet_len;
	return RX_OK;
}
"""


def test_a_refusal_reads_as_in_the_readme(repository, tmp_path):
    (tmp_path / "probe.c").write_text(UNCHECKED)
    result = subprocess.run(
        [Path(sys.executable).parent / "dynmon", "explain", "probe.c"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    shown = re.search(r"\$ dynmon explain probe\.c\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)

    assert shown
    assert (1, "") == (result.returncode, result.stdout)
    assert result.stderr.startswith(shown[1])
