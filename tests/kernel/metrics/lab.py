"""Plain C with maps → maps in the kernel, and what bpftool makes of them."""

import json
import subprocess
from contextlib import contextmanager

from dynmon.bpf import Loader, LoadRequest, ProgramType
from dynmon.btf import Btf
from dynmon.metrics import BoundMetric
from dynmon.models import Direction, MetricConfig
from tests.support import run

PROLOGUE = """
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
#define SEC(name) __attribute__((section(name), used))
#define MAP(kind, name, keytype, valuetype, count, bits) \\
	struct { int (*type)[kind]; keytype *key; valuetype *value; int (*max_entries)[count]; int (*map_flags)[bits]; } \\
	name SEC(".maps")
#define QUEUE(kind, name, valuetype, count) \\
	struct { int (*type)[kind]; valuetype *value; int (*max_entries)[count]; } name SEC(".maps")
"""
EPILOGUE = """
SEC("tc") int dynmon_ingress(void *ctx) { return -1; }
char license_text[] SEC("license") = "GPL";
"""


def compile_c(source):
    """An object with the maps that `source` declares and a program that does nothing."""
    command = ["clang", "-target", "bpf", "-O2", "-g", "-c", "-x", "c", "-", "-o", "-"]
    result = subprocess.run(
        command, input=(PROLOGUE + source + EPILOGUE).encode(), capture_output=True, check=False, timeout=60
    )
    assert not result.returncode, result.stderr.decode()
    return result.stdout


class Lab:
    """Maps of one object, with their types."""

    def __init__(self, loaded):
        self.loaded = loaded
        self.maps = loaded.maps
        self.btf = Btf.parse(loaded.btf)

    def bind(self, map_name, direction=Direction.INGRESS, **config):
        """A metric of the map, `config` as in JSON; named `m` where that says nothing else."""
        return self._bind({"name": "m", "map-name": map_name, **config}, direction)

    def bind_variable(self, variable, direction=Direction.INGRESS, **config):
        """A metric of the global variable, likewise."""
        return self._bind({"name": "m", "variable": variable, **config}, direction)

    def _bind(self, document, direction):
        return BoundMetric.bind(MetricConfig.model_validate(document), direction, self.maps, self.btf)


@contextmanager
def lab(source, wanted=None):
    """Load the maps that `source` declares, or only those that are `wanted`."""
    request = LoadRequest(
        object=compile_c(source),
        program="dynmon_ingress",
        program_type=ProgramType.SCHED_CLS,
        file="ingress",
        memory_bytes=1 << 28,
        wanted=wanted and frozenset(wanted),
    )
    with Loader() as loader, loader.load(request) as loaded:
        yield Lab(loaded)


def bpftool_dump(bpf_map):
    """What bpftool prints of a map, objects as lists of pairs: bpftool repeats keys."""
    text = run("bpftool", "map", "dump", "id", str(bpf_map.info.id), "-j")
    return json.loads(text, object_pairs_hook=list)
