"""The maps of objects found in the wild: sizes, pins, maps in maps, sections of variables, kinds that need care."""

import struct
import tempfile
from pathlib import Path

import pytest

from dynmon.bpf import BpfMap, LoadError, MapType, OpenError, possible_cpus
from dynmon.btf import Btf, plan_for
from tests.kernel.bpf.objects import TC_COUNTER, compile_c
from tests.kernel.bpf.wild import APART, MAPS_IN_MAPS, MERGED
from tests.support import run

pytestmark = pytest.mark.usefixtures("no_leaks")

FRAME = bytes(60)
PASS = '\nSEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return TC_ACT_UNSPEC; }'
SIZES = "__uint(key_size, 4); __uint(value_size, 8);"


def a_map(name, kind, members=f"__uint(max_entries, 8); {SIZES}"):
    return f'struct {{ __uint(type, BPF_MAP_TYPE_{kind}); {members} }} {name} SEC(".maps");\n'


def u64(number):
    return number.to_bytes(8, "little")


def test_a_size_of_the_configuration_takes_the_place_of_the_code_s(load):
    """Also where the code has none."""
    source = a_map("flows", "HASH", SIZES) + a_map("small", "LRU_HASH") + PASS
    loaded = load(source, sizes={"flows": 100, "small": 20})

    assert {"flows": 100, "small": 20} == {name: each.info.max_entries for name, each in loaded.maps.items()}


def test_a_map_without_a_size_is_refused_with_what_to_write(load):
    """The code left it open; the configuration has a word for it."""
    with pytest.raises(OpenError, match="map 'flows' has no max_entries") as caught:
        load(a_map("flows", "HASH", SIZES) + PASS)

    assert 'give it in "map-sizes": {"flows": 1024}' == caught.value.hint


def test_a_map_without_a_size_that_is_not_made_does_no_harm(load):
    """Nor does one whose descriptor somebody gives."""
    source = a_map("flows", "HASH", SIZES) + PASS
    assert {} == load(source, wanted=frozenset()).maps
    with BpfMap.create(MapType.HASH, 4, 8, 3, name="flows") as flows:
        assert 3 == load(source, reuse={"flows": flows.fd}).maps["flows"].info.max_entries


def test_sizes_for_maps_that_are_not_there_are_refused(load):
    """With those that are; variables are no maps of this kind."""
    source = "__u64 seen;\n" + a_map("flows", "HASH") + PASS.replace("return", "seen++; return")
    for name in ("flow", ".bss"):
        with pytest.raises(OpenError) as caught:
            load(source, sizes={name: 3})
        assert f"a size is given for map '{name}', which is not declared; there are: flows" == caught.value.message


def test_memory_is_counted_with_the_sizes_of_the_configuration(load):
    """Before anything is made; the hint is the way out."""
    with pytest.raises(LoadError, match="the largest is 'flows'") as caught:
        load(a_map("flows", "PERCPU_HASH") + PASS, sizes={"flows": 1 << 30})

    assert '"map-sizes"' in caught.value.hint


def test_maps_inside_of_maps_are_counted_too(load):
    """libbpf makes one to show the kernel what the others will be like."""
    source = a_map(
        "outer",
        "HASH_OF_MAPS",
        """__uint(max_entries, 4); __type(key, __u32); __array(values, struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_HASH); __uint(max_entries, 1 << 30); __type(key, __u32); __type(value, __u64);
        });""",
    )
    with pytest.raises(LoadError, match="the largest is 'outer'"):
        load(source + PASS)


@pytest.mark.parametrize("wanted", [None, frozenset({"outer"})])
def test_patterns_are_counted_too(load, wanted):
    """The pattern of a map of maps of the dialect is one map more, made also where its own declaration is not."""
    outer = "__uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 4);"
    source = a_map("pattern", "ARRAY", "__uint(max_entries, 1 << 20); __uint(key_size, 4); __uint(value_size, 256);")
    source += a_map("outer", "ARRAY_OF_MAPS", outer).replace(";\n", ' TAG("dynmon:array_of_maps$pattern");\n')
    with pytest.raises(LoadError, match="the largest is 'outer' with 256"):
        load(source + PASS, wanted=wanted)


def test_a_ring_buffer_gets_a_size_that_the_kernel_takes(load):
    """A power of two and whole pages: libbpf rounds up."""
    source = a_map("events", "RINGBUF", "__uint(max_entries, 5000);") + PASS

    assert 8192 == load(source).maps["events"].info.max_entries
    assert 16384 == load(source, sizes={"events": 10_000}).maps["events"].info.max_entries
    with pytest.raises(OpenError, match="map 'events' has no max_entries"):
        load(a_map("events", "RINGBUF", "") + PASS)


def test_a_perf_event_array_has_a_place_for_each_cpu(load):
    """Whoever leaves its size open means that."""
    loaded = load(a_map("events", "PERF_EVENT_ARRAY", "__uint(key_size, 4); __uint(value_size, 4);") + PASS)

    assert possible_cpus() == loaded.maps["events"].info.max_entries


FOURS = "__uint(max_entries, 8); __uint(key_size, 4); __uint(value_size, 4);"
OF_ALL_KINDS = {
    "DEVMAP": FOURS,
    "DEVMAP_HASH": FOURS,
    "CPUMAP": "__uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 4);",
    "XSKMAP": FOURS,
    "SOCKMAP": FOURS,
    "SOCKHASH": FOURS,
    "PERCPU_ARRAY": f"__uint(max_entries, 8); {SIZES}",
    "LRU_PERCPU_HASH": f"__uint(max_entries, 8); {SIZES}",
    "LPM_TRIE": "__uint(max_entries, 8); __uint(map_flags, 1); __uint(key_size, 8); __uint(value_size, 8);",
    "QUEUE": "__uint(max_entries, 8); __uint(value_size, 8);",
    "STACK": "__uint(max_entries, 8); __uint(value_size, 8);",
    "BLOOM_FILTER": "__uint(max_entries, 8); __uint(value_size, 8);",
    "STACK_TRACE": "__uint(max_entries, 8); __uint(key_size, 4); __uint(value_size, 1016);",
    "SK_STORAGE": "__uint(map_flags, 1); __type(key, int); __type(value, __u64);",
}


@pytest.mark.parametrize("kind", OF_ALL_KINDS)
def test_maps_of_every_kind_are_made(load, kind):
    """Whether we can read them or not."""
    loaded = load(a_map("it", kind, OF_ALL_KINDS[kind]) + PASS)

    assert MapType[kind] == loaded.maps["it"].info.map_type


@pytest.mark.parametrize(
    ("kind", "members", "hint"),
    [
        ("QUEUE", f"__uint(max_entries, 8); {SIZES}", "a queue has values and no key"),
        ("LPM_TRIE", f"__uint(max_entries, 8); {SIZES}", "BPF_F_NO_PREALLOC"),
        ("ARRAY", "__uint(max_entries, 8); __uint(key_size, 8); __uint(value_size, 8);", "its key is a __u32"),
    ],
)
def test_a_map_that_the_kernel_refuses_comes_with_the_rule_it_breaks(load, kind, members, hint):
    """Its own answer is "invalid argument"."""
    with pytest.raises(LoadError, match="map 'it' cannot be made") as caught:
        load(a_map("it", kind, members) + PASS)

    assert hint in caught.value.hint


def tagged(name, kind, tag, members=f"__uint(max_entries, 8); {SIZES}"):
    return a_map(name, kind, members).replace(f" {name} SEC", f' {name} TAG("dynmon:{tag}") SEC')


@pytest.mark.parametrize(
    ("declared", "existing"),
    [
        (tagged("all", "HASH", "public"), (MapType.HASH, 4, 8, 8)),
        (tagged("all", "PERF_EVENT_ARRAY", "public", "__uint(key_size, 4); __uint(value_size, 4);"), None),
    ],
)
def test_a_public_map_that_is_in_use_goes_on(load, declared, existing):
    """The declaration takes its place; nothing is made. Where it leaves the size open, any will do."""
    existing = existing or (MapType.PERF_EVENT_ARRAY, 4, 4, possible_cpus())
    with BpfMap.create(*existing, name="all") as used:
        loaded = load(declared + PASS, public={"all": used.fd})
        assert used.info.id == loaded.maps["all"].info.id


@pytest.mark.parametrize("existing", [(MapType.LRU_HASH, 4, 8, 8), (MapType.HASH, 4, 8, 9), (MapType.HASH, 4, 16, 8)])
def test_a_public_map_that_is_another_one_is_left_alone(load, existing):
    """A new one is made; who knows the users refuses it."""
    with BpfMap.create(*existing, name="all") as used:
        assert used.info.id != load(tagged("all", "HASH", "public") + PASS, public={"all": used.fd}).maps["all"].info.id


def test_only_what_is_declared_public_takes_over(load):
    """Not a map that has the name by accident."""
    with BpfMap.create(MapType.HASH, 4, 8, 8, name="all") as used:
        assert used.info.id != load(a_map("all", "HASH") + PASS, public={"all": used.fd}).maps["all"].info.id


def test_an_extern_that_nobody_offers_is_named(load):
    """As data too: who loads both paths of a cube may load the other one first."""
    with pytest.raises(OpenError, match="reference to undefined table 'all'") as caught:
        load(tagged("all", "HASH", "extern") + PASS, offers={})

    assert ("all", "all") == (caught.value.undefined, caught.value.fields()["map"])
    with pytest.raises(OpenError) as caught:
        load(a_map("flows", "HASH", SIZES) + PASS)
    assert "" == caught.value.undefined
    assert "map" not in caught.value.fields()


def test_an_extern_that_says_its_type_gets_no_other(load):
    """Hash is what the dialect says of all of them; so any type may take its place."""
    with BpfMap.create(MapType.LRU_HASH, 4, 8, 8, name="all") as offered:
        assert (
            offered.info.id
            == load(tagged("all", "HASH", "extern") + PASS, offers={"all": offered.fd}).maps["all"].info.id
        )
        with pytest.raises(LoadError, match="'all' is declared as array, but the existing map is lru_hash"):
            load(tagged("all", "ARRAY", "extern") + PASS, offers={"all": offered.fd})


@pytest.fixture
def folder():
    """A folder on the BPF filesystem, and what is in it, for one test."""
    with tempfile.TemporaryDirectory(prefix="dynmon-test-", dir="/sys/fs/bpf") as path:
        yield Path(path)


def pin_a_map(path, kind="hash", value=8):
    run("bpftool", *f"map create {path} type {kind} key 4 value {value} entries 8 name ours".split())


def test_a_map_is_taken_from_below_the_roots_only(load, folder, tmp_path):
    """Wherever links and dots lead to."""
    (folder / "mine").mkdir()
    (folder / "others").mkdir()
    pin_a_map(folder / "mine" / "map")
    pin_a_map(folder / "others" / "map")
    (folder / "mine" / "link").symlink_to(folder / "others" / "map")
    (tmp_path / "root").symlink_to(folder / "mine")
    (tmp_path / "into").symlink_to(folder / "mine" / "map")

    def found(path, *roots):
        return load(tagged("ours", "HASH", f"pinned:{path}") + PASS, pin_roots=tuple(map(str, roots))).maps["ours"]

    mine = found(folder / "mine" / "map", folder / "mine").info.id
    assert mine == found(folder / "others" / ".." / "mine" / "map", folder / "mine").info.id
    assert mine == found(tmp_path / "into", folder / "mine").info.id
    assert mine == found(folder / "mine" / "map", tmp_path / "root").info.id
    assert mine != found(folder / "mine" / "link", folder / "mine", folder / "others").info.id
    for path in ("others/map", "mine/../others/map", "mine/link", "others/nothing"):
        with pytest.raises(OpenError, match=f"is not below {folder}/mine\n") as caught:
            found(folder / path, folder / "mine")
        assert "--pin-root" in caught.value.hint
    with pytest.raises(OpenError, match="is not below any folder"):
        found(folder / "mine" / "map")


def test_what_is_no_pinned_map_is_refused(load, folder, tmp_path):
    """A program, a folder, a file of another filesystem below a root."""
    load(TC_COUNTER)
    pin_a_map(folder / "map", value=16)
    program = load(TC_COUNTER).program
    run("bpftool", "prog", "pin", "id", str(program.id), str(folder / "program"))
    (tmp_path / "file").touch()
    cases = {
        folder / "program": "what is pinned there is no map",
        folder: "map not found",
        tmp_path / "file": "map not found: 'ours' should be pinned at .*, on a BPF filesystem below ",
    }
    for path, message in cases.items():
        with pytest.raises(OpenError, match=message):
            load(tagged("ours", "HASH", f"pinned:{path}") + PASS, pin_roots=(str(folder), str(tmp_path)))


def test_a_pinned_map_is_what_it_is_declared_as(load, folder):
    """Type and sizes; entries are as many as it has."""
    pin_a_map(folder / "map", "array", 16)
    for kind, value_size, message in (
        ("HASH", 16, "'ours' is declared as hash, but the existing map is array"),
        ("ARRAY", 8, "'ours' is declared with values of 8 bytes, but the existing map has 16"),
    ):
        members = f"__uint(max_entries, 2); __uint(key_size, 4); __uint(value_size, {value_size});"
        with pytest.raises(LoadError, match=message):
            load(tagged("ours", kind, f"pinned:{folder}/map", members) + PASS)


PINNED = a_map("kept", "HASH", f"__uint(max_entries, 8); {SIZES} __uint(pinning, LIBBPF_PIN_BY_NAME);")


def test_a_map_that_is_pinned_by_name_is_tagged_and_taken_from_who_keeps_it(load):
    """libbpf never pins; who asked for the load does, and gives the map back."""
    first = load(PINNED + PASS)
    second = load(PINNED + PASS, pinned={"kept": first.maps["kept"].fd, "other": first.maps["kept"].fd})

    assert {"kept": ("dynmon:pin-by-name",)} == first.tags == second.tags
    assert first.maps["kept"].info.id == second.maps["kept"].info.id


def test_a_map_that_is_not_pinned_by_name_does_not_take_what_is_kept(load):
    """A name alone is no reason to share."""
    with BpfMap.create(MapType.HASH, 4, 8, 8, name="kept") as kept:
        assert kept.info.id != load(a_map("kept", "HASH") + PASS, pinned={"kept": kept.fd}).maps["kept"].info.id


@pytest.mark.parametrize(
    ("kind", "value_size", "message"),
    [
        (MapType.ARRAY, 8, "map 'kept' is declared as hash, but the existing map is array"),
        (MapType.HASH, 16, "map 'kept' is declared with values of 8 bytes, but the existing map has 16"),
    ],
)
def test_a_kept_map_of_another_shape_is_refused(load, kind, value_size, message):
    """Its contents would be misread."""
    with BpfMap.create(kind, 4, value_size, 8, name="kept") as kept, pytest.raises(LoadError, match=message):
        load(PINNED + PASS, pinned={"kept": kept.fd})


def test_maps_in_maps_are_made_with_what_their_declaration_puts_in(load):
    """The inner maps come with the outer one, whether they are named or not."""
    loaded = load(MAPS_IN_MAPS, wanted=frozenset())
    verdicts = [loaded.program.test_run(bytes(60 + index)).verdict for index in (0, 1, 2, 2)]

    assert [2, 1, 2, 2] == verdicts
    assert {"outer", "first", "second"} == set(loaded.maps)
    assert [1, 2] == [int.from_bytes(loaded.maps[name].lookup(bytes(4)), "little") for name in ("first", "second")]


def test_a_map_in_a_map_without_a_size_is_told_so(load):
    """The kernel's own answer would be about the outer one."""
    inner = "struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(key_size, 4); __uint(value_size, 4); }"
    members = f"__uint(max_entries, 2); __type(key, __u32); __array(values, {inner});"
    with pytest.raises(OpenError, match="the maps inside of 'outer' have no max_entries"):
        load(a_map("outer", "ARRAY_OF_MAPS", members) + PASS)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ("__uint(type, 1); __uint(flags, 1);", "map 'it' is declared with a member 'flags' that libbpf does not know"),
        ("__uint(max_entries, 1);", "map 'it' is declared without a type"),
        (
            "__uint(type, 1); __uint(key_size, 8); __type(key, __u32);",
            "map 'it' is declared with a key of 8 bytes and with one of 4",
        ),
    ],
)
def test_a_declaration_that_libbpf_refuses_comes_with_what_to_write(load, members, message):
    """In words of the declaration."""
    with pytest.raises(OpenError, match=message) as caught:
        load(f'struct {{ {members} }} it SEC(".maps");' + PASS)

    assert caught.value.hint


def test_a_map_in_a_map_without_types_is_made_from_sizes(load):
    """As programs have it that were written before there was BTF."""
    source = a_map(
        "outer",
        "ARRAY_OF_MAPS",
        """__uint(max_entries, 2); __uint(key_size, 4); __array(values, struct {
        __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __uint(key_size, 4); __uint(value_size, 8); });""",
    )
    loaded = load(source + PASS)
    with BpfMap.create(MapType.HASH, 4, 8, 8, name="inner") as inner:
        loaded.maps["outer"].update(bytes(4), inner.fd.to_bytes(4, "little"))

        assert inner.info.id == int.from_bytes(loaded.maps["outer"].lookup(bytes(4)), "little")


VARIABLES = """
__u64 packets;
__u32 start = 7;
const volatile __u8 step = 1;
__u64 apart SEC(".data.apart") = 5;
const volatile __u16 aside SEC(".rodata.aside") = 300;
__u64 hidden_zero SEC(".bss.own");
SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	packets += step;
	start += aside;
	apart++;
	hidden_zero++;
	return ctx->len;
}
"""


def test_sections_of_variables_are_maps(load):
    """Custom ones too; read-only ones are handed out to who names them."""
    loaded = load(VARIABLES, constants={"step": 3, "aside": (400).to_bytes(2, "little")})
    loaded.program.test_run(FRAME, repeat=2)

    assert {".bss", ".data", ".data.apart"} <= set(loaded.maps)
    assert {".bss", ".data", ".data.apart", ".rodata", ".rodata.aside"} <= set(loaded.declared)
    assert (6, 807, 7) == (
        int.from_bytes(loaded.maps[".bss"].lookup(bytes(4))[:8], "little"),
        int.from_bytes(loaded.maps[".data"].lookup(bytes(4))[:4], "little"),
        int.from_bytes(loaded.maps[".data.apart"].lookup(bytes(4))[:8], "little"),
    )
    wanted = load(VARIABLES, wanted=frozenset({".rodata"}))
    assert b"\x01" == wanted.maps[".rodata"].lookup(bytes(4))


CONSTANTS = """
const volatile struct { __u32 low; __u16 high; } bounds = { 1, 2 };
const volatile __u32 port;
const volatile char text[8];
const volatile char odd[3];
const __u32 folded = 5;
const volatile __u64 dynmon_own;
SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	return bounds.low + bounds.high + port + text[1] + odd[2] + folded + dynmon_own;
}
"""


def test_constants_are_written_as_bytes(load):
    """Structs and arrays too."""
    constants = {"bounds": struct.pack("<IHxx", 10, 20), "port": struct.pack("<I", 100), "text": b"\0\1" + bytes(6)}

    assert 10 + 20 + 100 + 1 + 5 == load(CONSTANTS, constants=constants).program.test_run(FRAME).verdict


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"prot": bytes(4)}, "no constant 'prot', a const volatile global; it has: bounds, odd, port, text"),
        ({"port": bytes(8)}, "the constant 'port' has 4 bytes, not 8"),
        ({"port": b""}, "the constant 'port' has 4 bytes, not 0"),
        ({"dynmon_ingress": bytes(8)}, "no constant 'dynmon_ingress'"),
        ({"odd": 7}, "the constant 'odd' is not an integer"),
    ],
)
def test_constants_that_do_not_fit_are_refused(load, constants, message):
    """With those there are; the dialect's own are not for others."""
    with pytest.raises(OpenError, match=message):
        load(CONSTANTS, constants=constants)


def test_an_object_without_types_loads_when_it_has_no_maps(load):
    """Compiled without -g: variables and constants are known by their symbols."""
    source = """
    const volatile __u32 port = 1;
    __u32 seen = 1;
    SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return seen + port; }
    """
    loaded = load(compile_c(source, "-g0"), constants={"port": struct.pack("<I", 41)})

    assert 42 == loaded.program.test_run(FRAME).verdict
    assert b"" == loaded.btf
    with pytest.raises(OpenError, match="it has maps but no BTF") as caught:
        load(compile_c(TC_COUNTER, "-g0"))
    assert "compile it with -g" == caught.value.hint


def test_maps_without_types_are_made_from_sizes(load):
    """A reader gets bytes."""
    info = load(a_map("raw", "HASH") + PASS).maps["raw"].info

    assert (4, 8, 0, 0) == (info.key_size, info.value_size, info.key_type_id, info.value_type_id)


def test_a_map_that_was_pinned_elsewhere_leaves_no_trace(load):
    """Not even for a moment."""
    load(PINNED + PASS)

    assert "kept" not in run("ls", "/sys/fs/bpf")


@pytest.mark.parametrize("other", ["", "const volatile __u64 other = 1; const char text[64] = {};"])
def test_constants_that_clang_merges_do_not_cost_the_types(load, other):
    """clang 14 says that they are where other constants are, and the kernel wants no such types."""
    loaded = load(MERGED % other)

    assert 5 == loaded.program.test_run(FRAME).verdict
    assert loaded.maps["counts"].info.value_type_id
    assert "merged" not in [name for name, each in Btf.parse(loaded.btf).variables.items() if each.section == ".rodata"]
    assert {".rodata.cst16", "counts"} <= set(loaded.declared)


def test_what_clang_takes_apart_does_not_cost_the_types(load):
    """Each piece is a number; what became a byte has no value that its author would know."""
    loaded = load(APART)
    verdicts = {loaded.program.test_run(FRAME).verdict for _ in range(3)}
    btf, values = Btf.parse(loaded.btf), loaded.maps[".bss"].lookup(bytes(4))
    read = {
        name: int.from_bytes(values[each.offset : each.offset + 8], "little")
        for name, each in btf.variables.items()
        if each.section == ".bss"
    }

    assert {7} == verdicts
    assert {"stats.0": 3, "stats.1": 180, "sizes": 3} == read
    assert 8 == plan_for(btf, btf.variables["stats.0"].type_id).size
    assert loaded.maps["counts"].info.value_type_id
