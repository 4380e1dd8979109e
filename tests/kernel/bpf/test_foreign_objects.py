"""Files that are no objects for us: each is told by what it is, with what to do instead."""

import gzip
import subprocess
from pathlib import Path

import pytest

from dynmon.bpf import OpenError
from tests.kernel.bpf.conftest import request_for
from tests.kernel.bpf.objects import TC_COUNTER, compile_c

C_FILE = "int answer(void) { return 42; }\n"
COMPILE = "compile it with 'clang -target bpf -O2 -g -c'"


def clang(*options):
    command = ["clang", *options, "-x", "c", "-", "-o", "-"]
    return subprocess.run(command, input=C_FILE.encode(), capture_output=True, check=True, timeout=60).stdout


FOREIGN = {
    "bitcode": (lambda: clang("-emit-llvm", "-c"), "it is LLVM bitcode, not an ELF object"),
    "host object": (lambda: clang("-c"), "it is an ELF object for x86-64, not for BPF"),
    "32 bits": (lambda: clang("-target", "i386", "-c"), "it is a 32-bit ELF object, BPF objects have 64 bits"),
    "executable": (lambda: Path("/bin/true").resolve().read_bytes(), r"it is (an executable|a shared library) for"),
    "big-endian": (lambda: clang("-target", "bpfeb", "-c"), "it is a big-endian ELF object"),
    "archive": (lambda: b"!<arch>\n" + bytes(80), "it is an archive of objects"),
    "text": (C_FILE.encode, "it is not an ELF object"),
    "compressed": (lambda: gzip.compress(compile_c(TC_COUNTER)), "it is not an ELF object"),
    "nothing": (lambda: b"", "it is not an ELF object"),
    "a beginning": (lambda: compile_c(TC_COUNTER)[:40], "damaged: it has 40 bytes, less than its header"),
    "half of it": (
        lambda: compile_c(TC_COUNTER)[:900],
        r"the ELF object is damaged: it ends before its section headers do, it has 900 bytes of \d{4}\n",
    ),
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.usefixtures("no_leaks")
def test_what_is_no_bpf_object_is_told_by_what_it_is(loader, what):
    """The same when it is inspected."""
    make, message = FOREIGN[what]
    raw = make()
    for attempt in (lambda: loader.load(request_for(raw)), lambda: loader.inspect(raw, "ingress")):
        with pytest.raises(OpenError, match=message):
            attempt()


LEGACY = """
struct bpf_map_def { unsigned int type, key_size, value_size, max_entries, map_flags; };
struct bpf_map_def SEC("maps") flows = { BPF_MAP_TYPE_LRU_HASH, 16, 8, 1024, 2 };
SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return bpf_map_lookup_elem(&flows, ctx) ? 1 : 2; }
"""
IPROUTE2 = """
struct bpf_elf_map { __u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx; };
struct bpf_elf_map SEC("maps") flows = {
	.type = BPF_MAP_TYPE_ARRAY, .size_key = 4, .size_value = 8, .max_elem = 2, .pinning = 2,
};
SEC("classifier") int dynmon_ingress(struct __sk_buff *ctx) { return bpf_map_lookup_elem(&flows, ctx) ? 1 : 2; }
"""


@pytest.mark.parametrize(
    ("source", "whose", "members"),
    [
        (
            LEGACY,
            "struct bpf_map_def in SEC('maps')",
            "__uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(key_size, 16); __uint(value_size, 8); "
            "__uint(max_entries, 1024); __uint(map_flags, 0x2);",
        ),
        (
            IPROUTE2,
            "struct bpf_elf_map of iproute2 in SEC('maps')",
            "__uint(type, BPF_MAP_TYPE_ARRAY); __uint(key_size, 4); __uint(value_size, 8); __uint(max_entries, 2); "
            "__uint(pinning, LIBBPF_PIN_BY_NAME);",
        ),
    ],
)
def test_legacy_maps_are_refused_with_their_declaration_of_today(load, source, whose, members):
    """Which can be copied into the code, and loads."""
    with pytest.raises(OpenError, match="map 'flows' is a legacy map definition") as caught:
        load(source)

    assert whose in caught.value.message
    assert f'declare it as: struct {{ {members} }} flows SEC(".maps"); and recompile' == caught.value.hint
    declaration = caught.value.hint.removeprefix("declare it as: ").removesuffix(" and recompile")
    program = source[source.index('SEC("tc")' if 'SEC("tc")' in source else 'SEC("classifier")') :]
    assert ["flows"] == list(load(f"{declaration}\n{program}".replace("&flows, ctx", "&flows, (char[16]){}")).maps)


def test_a_program_that_is_static_is_told_so(load):
    """libbpf wants it to be seen from outside."""
    with pytest.raises(OpenError, match="program 'dynmon_ingress' is static") as caught:
        load('SEC("tc") __attribute__((used)) static int dynmon_ingress(struct __sk_buff *ctx) { return 0; }')

    assert "must not be static" in caught.value.hint


def test_a_map_that_is_static_is_told_so(load):
    """The word is all that has to go."""
    static = "static struct { __uint(type, BPF_MAP_TYPE_QUEUE); __uint(max_entries, 1); __uint(value_size, 4); }"
    program = 'SEC("tc") int dynmon_ingress(void *ctx) { return bpf_map_pop_elem(&values, &(int){0}); }'
    with pytest.raises(OpenError, match="map 'values' is static") as caught:
        load(f'{static} values SEC(".maps");\n{program}')

    assert "leave static out" == caught.value.hint


@pytest.mark.parametrize("section", [".maps", ".data.shared"])
def test_one_of_several_objects_is_told_to_be_linked(load, section):
    """What it needs is in another."""
    shared = f'extern struct {{ __uint(type, BPF_MAP_TYPE_ARRAY); }} shared SEC("{section}");'
    with pytest.raises(OpenError, match=f"something in section '{section}' is declared extern") as caught:
        load(f'{shared}\nSEC("tc") int dynmon_ingress(void *ctx) {{ return bpf_map_pop_elem(&shared, ctx); }}')

    assert caught.value.hint.startswith("link the objects with: bpftool gen object out.o a.o b.o")


ARENA = "__uint(type, 33); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 10);"


@pytest.mark.parametrize(
    ("members", "says"),
    [
        (ARENA, "map 'pages' is an arena, which is not supported"),
        (f"{ARENA} enum {{ address = 1ull << 44 }} map_extra;", "map 'pages' gives its map_extra with __ulong"),
    ],
)
def test_an_arena_is_told_to_be_unsupported(load, members, says):
    """Also with the address that most have."""
    program = 'SEC("tc") int dynmon_ingress(void *ctx) { return bpf_map_pop_elem(&pages, ctx); }'
    with pytest.raises(OpenError, match=says):
        load(f'struct {{ {members} }} pages SEC(".maps");\n{program}')


def test_a_map_outside_of_the_section_for_maps_is_told_so(load):
    """The name of the section is the reason."""
    with pytest.raises(OpenError, match="map 'flows' is in section 'my_maps', where libbpf does not look"):
        load(LEGACY.replace('SEC("maps")', 'SEC("my_maps")'))
