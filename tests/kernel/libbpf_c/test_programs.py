"""Programs of well-known shapes compile and load unchanged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dynmon.bpf import Loader, LoadRequest, ProgramType
from dynmon.cli.local_includes import with_local_includes
from dynmon.compiler import Compiler, Spelling
from dynmon.models import Direction, Hook
from tests.support import needs

pytestmark = needs("kernel", "clang")
SOURCES = Path(__file__).parent / "sources"
TC, XDP = ProgramType.SCHED_CLS, ProgramType.XDP
PROGRAMS = [
    ("xdp_pass", "xdp_pass_simple", XDP, set()),
    ("xdp_pass", "xdp_drop_simple", XDP, set()),
    ("xdp_counter", "xdp_stats1_func", XDP, {"xdp_stats_map", "total"}),
    ("xdp_parsing", "xdp_parser_func", XDP, {"protocols"}),
    ("xdp_vlan_swap", "xdp_vlan_swap_func", XDP, set()),
    ("xdp_frags", "jumbo", XDP, {".bss"}),
    ("tc_classifier", "tc_ingress", TC, {"acc_map"}),
    ("tc_classifier", "tc_egress", TC, {"acc_map"}),
    ("tcx", "tcx_in", TC, {".bss"}),
    ("tc_redirect", "mirror", TC, set()),
    ("core_read", "who_sends", TC, {"senders"}),
    ("vmlinux_tc", "tc_ingress", TC, {"flows"}),
    ("global_functions", "with_functions", TC, {".bss"}),
    ("hidden", "with_hidden", XDP, {".bss"}),
    ("kconfig", "by_kernel", TC, set()),
    ("ksym", "of_the_kernel", TC, set()),
    ("loop", "ip_options", TC, set()),
    ("for_each", "find_oldest", XDP, {"ages", ".bss"}),
    ("map_in_map", "two_levels", XDP, {"first", "second", "generations", "by_tenant"}),
    ("lpm", "firewall", XDP, {"ipv4_lpm_map"}),
    ("ringbuf", "sample", TC, {"events", ".bss"}),
    ("timer", "with_timer", TC, {"entries"}),
    ("spin_lock", "police", TC, {"buckets"}),
    ("tail_calls", "handle_ipv4", TC, {"handlers", ".bss"}),
    ("tail_calls", "dispatch", TC, {"handlers", ".bss"}),
    ("sk_lookup", "established", TC, set()),
    ("fib_lookup", "xdp_fwd_prog", XDP, {"xdp_tx_ports"}),
    ("checksum", "nat", TC, set()),
    ("checksum", "xdp_nat", XDP, set()),
    ("redirect_maps", "spread", XDP, {"cpu_map", "tx_port", "xsks_map"}),
    ("containers", "remember", TC, {"queue", "stack", "seen", "of_socket"}),
    ("globals", "globals", TC, {".bss", ".data", ".data.mine"}),
    ("perf_events", "xdp_sample_prog", XDP, {"my_map"}),
    ("own_words", "all_words", TC, set()),
    ("dynptr", "by_dynptr", TC, {"ring"}),
    ("no_license", "free_for_all", XDP, set()),
    ("tunnel", "encapsulate", TC, set()),
    ("kernel_tree", "xdp_prog1", XDP, {"rxcnt"}),
    ("c_library", "kind", TC, {"kinds"}),
    ("newer_words", "many_rounds", TC, {"slots", ".bss"}),
]
NEEDS = {"ksym": needs("kernel-context"), "newer_words": needs("argument-tags")}


def source_of(name: str) -> str:
    """What `dynmon pack` makes of the file."""
    file = SOURCES / f"{name}.c"
    return with_local_includes(file.read_text(), file, Path.read_text)


@pytest.mark.parametrize(
    ("name", "program", "kind", "maps"),
    [pytest.param(*each, marks=NEEDS.get(each[0], ()), id=f"{each[0]}-{each[1]}") for each in PROGRAMS],
)
def test_program_loads(
    compiler: Compiler, loader: Loader, name: str, program: str, kind: ProgramType, maps: set[str]
) -> None:
    artifact = compiler.compile(source_of(name), Direction.INGRESS, Hook.TC)
    request = LoadRequest(artifact.object, program, kind, "ingress", memory_bytes=1 << 28)

    assert (Spelling.LIBBPF, None) == (artifact.spelling, artifact.program)
    with loader.load(request) as loaded:
        assert loaded.program.instructions > 0
        assert maps == set(loaded.maps)


def test_the_reference_shows_a_program_that_loads(compiler: Compiler, loader: Loader, repository: Path) -> None:
    (source,) = re.findall(r"```c\n(.*?)```", (repository / "docs/reference/libbpf-c.md").read_text(), re.DOTALL)
    artifact = compiler.compile(source, Direction.INGRESS, Hook.TC)
    request = LoadRequest(artifact.object, "count", TC, "ingress", memory_bytes=1 << 28)

    with loader.load(request) as loaded:
        assert {"PROTOCOLS"} == set(loaded.maps)


def test_every_source_is_loaded() -> None:
    assert {path.stem for path in SOURCES.glob("*.c")} == {name for name, *_ in PROGRAMS}


@pytest.mark.parametrize("name", sorted({name for name, *_ in PROGRAMS}))
def test_clang_has_nothing_to_say(compiler: Compiler, name: str) -> None:
    """As it has nothing to say when it is called by hand."""
    assert () == compiler.compile(source_of(name), Direction.INGRESS, Hook.TC).warnings
