"""How long BCC takes to compile and load the packet counter, where BCC is installed."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

PYTHON = "/usr/bin/python3"
ROUNDS = 3
CHILD = """
import time
from bcc import BPF
before = time.monotonic()
program = BPF(text='''
#include <uapi/linux/bpf.h>
BPF_ARRAY(PKT_COUNTER, u64, 1);
int probe(struct __sk_buff *ctx)
{
	int key = 0;
	u64 *packets = PKT_COUNTER.lookup(&key);
	if (packets)
		__sync_fetch_and_add(packets, 1);
	return -1;
}
''')
program.load_func("probe", BPF.SCHED_CLS)
print(time.monotonic() - before)
"""


class BccMissing(Exception):
    """BCC cannot be compared here; the text says why."""


def seconds() -> list[float]:
    """The time of each round, in a process of its own.

    Raises:
        BccMissing: It is not installed, or has no kernel headers to work with.
    """
    check()
    return [float(run(CHILD)) for _ in range(ROUNDS)]


def check() -> None:
    """Make sure that BCC can work here.

    Raises:
        BccMissing: It is not installed, or has no kernel headers to work with.
    """
    if _child("import bcc")[0]:
        raise BccMissing("BCC is not installed (apt-get install python3-bpfcc)")
    _lend_headers()


def run(code: str) -> str:
    """The last word that a program of BCC's Python says.

    Raises:
        BccMissing: It cannot do its work.
    """
    status, output = _child(code)
    if status:
        raise BccMissing(f"BCC cannot compile here: {output.strip().splitlines()[-1]}")
    return output.split()[-1]


def _child(code: str) -> tuple[int, str]:
    try:
        result = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return 1, f"no {PYTHON}"
    return result.returncode, result.stdout + (result.stderr if result.returncode else "")


def _lend_headers() -> None:
    """Show BCC the headers of another kernel when those of the running one are missing.

    What it compiles is about the same amount of text. The change is in this mount namespace only, which is ours.
    """
    modules = Path("/lib/modules")
    wanted = modules / platform.release()
    if os.environ.get("DYNMON_ISOLATED") != "yes" or wanted.exists():
        return
    others = sorted(modules.glob("*/build"))
    if not others:
        raise BccMissing("BCC is installed, but there are no kernel headers (apt-get install linux-headers-amd64)")
    # Debian's headers are in two folders, and BCC looks for both.
    links = {name: (others[-1].parent / name).resolve() for name in ("build", "source")}
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", modules], check=True)
    wanted.mkdir()
    for name, target in links.items():
        (wanted / name).symlink_to(target)
