"""What an object says about itself without being loaded."""

from pathlib import Path

import pytest

from dynmon.bpf import Loader, LoaderDied, OpenError, ProgramType
from dynmon.btf import Btf
from tests.kernel.bpf.objects import TC_COUNTER, compile_c
from tests.kernel.bpf.wild import CHOSEN, MAPS_IN_MAPS, STATIC_TAIL_CALLS, TAIL_CALLS, ZOO
from tests.support import run

pytestmark = pytest.mark.usefixtures("no_leaks")

LOOKUP, TAIL_CALL = 1, 12
CGROUP_SKB, KPROBE = 8, 2


@pytest.fixture
def inspect(loader):
    return lambda source: loader.inspect(compile_c(source), "ingress")


def test_programs_come_with_their_sections_types_helpers_and_maps(inspect):
    """Those of the functions that they call included, and those of other programs not."""
    programs = {each.name: each for each in inspect(ZOO % (CHOSEN % "tc")).programs}

    chosen = programs["chosen"]
    assert ("tc", ProgramType.SCHED_CLS) == (chosen.section, chosen.program_type)
    assert ((LOOKUP,), ("mine",)) == (chosen.helpers, chosen.maps)
    assert ("kprobe/no_such_function", KPROBE) == (programs["on_kprobe"].section, programs["on_kprobe"].program_type)
    assert ("others",) == programs["on_kprobe"].maps
    assert (CGROUP_SKB, 3, (), ()) == (
        programs["on_cgroup"].program_type,
        programs["on_cgroup"].instructions,
        programs["on_cgroup"].helpers,
        programs["on_cgroup"].maps,
    )


@pytest.mark.parametrize(
    ("section", "program_type"),
    [
        ("tc", 3), ("classifier", 3), ("action", 4), ("tcx/ingress", 3), ("tcx/egress", 3), ("tc_main", 3),
        ("classifier/x", 3), ("xdp", 6), ("xdp.frags", 6), ("xdp_pass", 6), ("xdp/devmap", 6),
        ("prog", 0), ("ingress/main", 0), ("tcp", 0),
    ],
)  # fmt: skip
def test_a_section_s_name_tells_the_type(inspect, section, program_type):
    """As libbpf takes it, whatever its version, and as it took it when any beginning would do."""
    (program,) = inspect(f'SEC("{section}") int it(void *ctx) {{ return 0; }}').programs

    assert (section, program_type) == (program.section, program_type)
    assert program_type == program.program_type


def test_instructions_are_those_that_the_kernel_gets(inspect, load):
    """With all functions that are called; without a branch, the verifier looks at each once."""
    source = """
    static __attribute__((noinline)) int twice(int number) { return number * 2 + 1; }
    SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return twice(ctx->len); }
    """
    (program,) = inspect(source).programs

    assert program.instructions == load(source, verbose=True).verification.instructions_processed


def test_maps_come_with_what_they_were_declared_as(inspect):
    """Sizes left open are zero; sections of variables are maps."""
    source = """
    struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(map_flags, 1); __type(key, __u32); __type(value, char[12]);
             __uint(pinning, LIBBPF_PIN_BY_NAME); } flows SEC(".maps") TAG("dynmon:shared");
    __u64 seen;
    const volatile __u32 port;
    SEC("tc") int it(struct __sk_buff *ctx) { seen += port; return !bpf_map_lookup_elem(&flows, ctx); }
    """
    facts = inspect(source)
    maps = {each.name: each for each in facts.maps}

    flows = maps["flows"]
    assert (1, 4, 12, 0, 1, True) == (
        flows.map_type,
        flows.key_size,
        flows.value_size,
        flows.max_entries,
        flows.flags,
        flows.is_pinned,
    )
    assert ("dynmon:shared", "dynmon:pin-by-name") == flows.tags
    assert {"flows", ".bss", ".rodata"} == set(maps)
    assert (".bss", ".rodata", "flows") == facts.programs[0].maps
    assert "flows" not in run("ls", "/sys/fs/bpf")


def test_a_prog_array_tells_the_programs_in_it(inspect):
    """In the order of their places; other maps have none."""
    facts = inspect(STATIC_TAIL_CALLS)

    assert {"jumps": ("one", "two"), "others": ("other",), "seen_by_two": ()} == {
        each.name: each.programs for each in facts.maps
    }
    assert {"entry": (TAIL_CALL,), "one": (), "two": (LOOKUP,), "other": (TAIL_CALL,)} == {
        each.name: each.helpers for each in facts.programs
    }
    assert all(each.programs == () for each in inspect(TAIL_CALLS).maps + inspect(MAPS_IN_MAPS).maps)


def test_the_types_and_the_license_are_the_object_s(inspect):
    """The types as clang wrote them."""
    facts = inspect(TC_COUNTER)

    assert "GPL" == facts.license
    assert Btf.parse(facts.btf)


def test_an_object_without_types_or_license_has_none(loader):
    """Nothing is made up."""
    facts = loader.inspect(compile_c('SEC("xdp") int it(void *ctx) { return 2; }', "-g0"), "ingress")

    assert b"" == facts.btf
    assert ["it"] == [each.name for each in facts.programs]


def test_nothing_is_loaded(inspect):
    """No program, no map."""
    inspect(MAPS_IN_MAPS.replace("first", "inspected_map").replace("dynmon_ingress", "inspected_prog"))

    assert "inspected_" not in run("bpftool", "map", "list") + run("bpftool", "prog", "list")


def test_an_object_that_cannot_be_opened_is_refused_as_by_a_load(loader):
    """With the same words."""
    raw = compile_c("int compute(void);\n" + 'SEC("tc") int it(void *ctx) { return compute(); }')
    with pytest.raises(OpenError, match="function 'compute' is declared but not defined") as caught:
        loader.inspect(raw, "egress")

    assert ("open", "egress") == (caught.value.fields()["stage"], caught.value.file)


def test_a_closed_loader_inspects_nothing():
    """As it loads nothing."""
    loader = Loader()
    loader.close()
    with pytest.raises(LoaderDied):
        loader.inspect(compile_c(TC_COUNTER), "ingress")


def test_an_object_of_many_kinds_is_inspected_in_the_child(loader):
    """The daemon's own process maps no stranger's ELF into libbpf; it is the same server afterwards."""
    before = loader.server_pid
    for source in (ZOO % (CHOSEN % "tc"), TAIL_CALLS):
        loader.inspect(compile_c(source), "ingress")

    assert before == loader.server_pid
    assert Path(f"/proc/{before}").exists()
