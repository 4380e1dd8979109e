"""Damaged objects: whatever they do to libbpf, the process that asked for the load goes on."""

import random
from collections import Counter
from contextlib import nullcontext

import pytest

from dynmon.bpf import OpenError
from dynmon.bpf.btf_repair import repaired
from dynmon.bpf.elf import Elf
from dynmon.bpf.reach import Code, static_values
from dynmon.bpf.source_lines import source_lines
from dynmon.bpf.trimming import trim, with_btf, without_struct_ops
from dynmon.bpf.variables import variables_of
from dynmon.errors import InjectionError
from tests.kernel.bpf.conftest import request_for
from tests.kernel.bpf.objects import TC_COUNTER, compile_c
from tests.kernel.bpf.wild import APART, CHOSEN, MAPS_IN_MAPS, MERGED, STATIC_TAIL_CALLS, ZOO

MUTANTS = 100
RICH = (
    """
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); }
table SEC(".maps") TAG("dynmon:predefined") TAG("dynmon:shared");
const volatile __u32 dynmon_cube_id;
__u64 seen;
static __attribute__((noinline)) int helper(__u32 key) { seen++; return !bpf_map_lookup_elem(&table, &key); }
SEC("tc/other") int other(struct __sk_buff *ctx) { return helper(ctx->len) + dynmon_cube_id; }
"""
    + TC_COUNTER
)


def mutants(raw, seed):
    """Objects with some bytes changed, cut off, or moved; the same ones in every run."""
    dice = random.Random(seed)
    for number in range(MUTANTS):
        mutant = bytearray(raw)
        for _ in range(dice.choice([1, 1, 2, 8, 64])):
            mutant[dice.randrange(len(mutant))] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)])
        if number % 10 == 0:
            del mutant[dice.randrange(len(mutant)) :]
        if number % 10 == 1:  # the section headers, at the end
            place = len(mutant) - dice.randrange(1, 1200)
            mutant[place : place + 4] = dice.randbytes(4)
        yield bytes(mutant)


TABLE = """
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); }
%s SEC(".maps");
"""
PASS = 'SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return TC_ACT_UNSPEC; }'
PLAIN = {
    "zoo": (ZOO % (CHOSEN % "tc"), {"program": "chosen", "wanted": frozenset({"others"})}),
    "tail calls": (STATIC_TAIL_CALLS, {"program": "entry", "tail_calls": {"jumps": {0: "one"}}}),
    "maps in maps": (MAPS_IN_MAPS, {"sizes": {"first": 2}}),
    "merged": (MERGED % "", {}),
    "taken apart": (APART, {}),
    "dialect": (RICH, {"constants": {"dynmon_cube_id": 3}}),
}


@pytest.mark.parametrize("what", PLAIN)
@pytest.mark.usefixtures("no_leaks")
def test_mutated_objects_fail_alone(loader, what):
    """Each loads or is refused with a reason; the server is the same afterwards, and loads what is good."""
    server, outcomes = loader.server_pid, Counter()
    source, changes = PLAIN[what]
    for mutant in mutants(compile_c(source), 1):
        request = request_for(mutant, memory_bytes=1 << 24, **changes)
        outcomes[outcome_of(lambda request=request: loader.load(request).close())] += 1

    assert MUTANTS == outcomes.total()
    assert outcomes["good"]
    assert outcomes["OpenError"]
    assert server == loader.server_pid
    with loader.load(request_for(TC_COUNTER)) as loaded:
        assert -1 == loaded.program.test_run(bytes(60)).verdict


def outcome_of(attempt):
    try:
        attempt()
    except InjectionError as error:
        return type(error).__name__
    return "good"


@pytest.mark.parametrize("what", PLAIN)
@pytest.mark.usefixtures("no_leaks")
def test_mutated_objects_are_inspected_alone(loader, what):
    """Facts or a reason; the process that answers is another one each time."""
    server, outcomes = loader.server_pid, Counter()
    for mutant in mutants(compile_c(PLAIN[what][0]), 3):
        outcomes[outcome_of(lambda mutant=mutant: loader.inspect(mutant, "ingress"))] += 1

    assert MUTANTS == outcomes.total()
    assert outcomes["good"]
    assert outcomes["OpenError"]
    assert server == loader.server_pid


@pytest.mark.parametrize("what", PLAIN)
def test_our_own_reader_refuses_damage_with_value_error_alone(what):
    """It runs in the loader's child, where any other error would count as its death."""
    refused = 0
    for mutant in mutants(compile_c(PLAIN[what][0]), 2):
        try:
            elf = Elf.parse(mutant)
            variables_of(elf.section(".BTF").content if elf.section(".BTF") else b"")
            code = Code(elf)
            for each in elf.symbols:
                code.reached_from([each.name])
            static_values(elf)
            btf = elf.section(".BTF")
            trim(
                without_struct_ops(with_btf(mutant, elf, repaired(btf.content if btf else b"", elf)), elf), elf, (), ()
            )
            source_lines(elf, {"tc", ".text"})
        except ValueError:
            refused += 1

    assert 0 < refused < MUTANTS


def test_an_object_that_claims_to_be_enormous_is_refused(loader):
    """Sizes in its headers are believed by nobody."""
    raw = bytearray(compile_c(TC_COUNTER))
    raw[60:62] = b"\xff\xff"  # the number of sections
    with pytest.raises(InjectionError):
        loader.load(request_for(bytes(raw)))


def test_an_object_with_types_for_a_kernel_is_refused(loader):
    """The daemon would read them for seconds, with all else waiting for its turn."""
    for size, attempt in ((3, nullcontext()), (5, pytest.raises(OpenError, match=r"its BTF has 5.* MiB, 4 MiB are"))):
        raw = compile_c(f"struct {{ int {'m' * (size << 20)}; }} seen;" + PASS)
        with attempt:
            assert ["dynmon_ingress"] == [each.name for each in loader.inspect(raw, "ingress").programs]


def test_what_libbpf_quotes_can_be_printed(loader):
    """The names of types are anything; what they say appears in terminals."""
    odd = 'struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(red_text, 1); } odd SEC(".maps");'
    raw = compile_c(odd + PASS).replace(b"\0red_text\0", b"\0\x1b[31mred\0")
    with pytest.raises(OpenError) as caught:
        loader.inspect(raw, "ingress")

    assert "unknown field '\N{REPLACEMENT CHARACTER}[31mred'" in str(caught.value)


def test_an_object_too_large_for_a_message_is_refused_here(loader):
    """Not by the death of a process."""
    with pytest.raises(OpenError, match="larger than 64 MiB"):
        loader.load(request_for(bytes(65 << 20)))


@pytest.mark.parametrize(
    ("source", "name", "other", "message"),
    [
        (
            '__u64 one SEC(".data.x") = 1; __u64 two SEC(".data.y") = 1;',
            ".data.y",
            ".data.x",
            "2 maps called '.data.x'",
        ),
        (TABLE % "ma" + TABLE % "mb", "mb", "ma", "2 maps called 'ma'"),
    ],
)
@pytest.mark.usefixtures("no_leaks")
def test_two_maps_of_one_name_are_refused(loader, source, name, other, message):
    """We would own one of them and forget the other, descriptor and all."""
    raw = compile_c(source + PASS).replace(f"\0{name}\0".encode(), f"\0{other}\0".encode())
    for attempt in (lambda: loader.load(request_for(raw)), lambda: loader.inspect(raw, "ingress")):
        with pytest.raises(OpenError, match=message):
            attempt()


@pytest.mark.usefixtures("no_leaks")
def test_an_object_makes_no_more_maps_than_a_daemon_can_hold(loader):
    """A thousand descriptors travel; more are no use to one program, and maps that nobody wants do not count."""
    raw = compile_c("".join(TABLE % f"m{number}" for number in range(1024)) + PASS)
    with loader.load(request_for(raw)) as loaded:
        assert 1024 == len(loaded.maps)

    raw = compile_c("".join(TABLE % f"m{number}" for number in range(1025)) + PASS)
    with pytest.raises(OpenError, match="1025 maps would be made of it, 1024 are allowed"):
        loader.load(request_for(raw))
    with loader.load(request_for(raw, wanted=frozenset({"m7"}))) as loaded:
        assert ["m7"] == list(loaded.maps)
