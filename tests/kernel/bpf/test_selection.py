"""One program out of an object of many: what is loaded with it, and what does not get in its way."""

import pytest

from dynmon.bpf import LoadError, ModeUnsupported, OpenError, ProgramType, VerifierError, attach_xdp
from tests.kernel.bpf.wild import CHOSEN, STATIC_TAIL_CALLS, TAIL_CALLS, ZOO
from tests.support import run

pytestmark = pytest.mark.usefixtures("no_leaks")

FRAME = bytes(60)


def verdicts(loaded, count=4):
    """What the program returns for packets of 60, 61... bytes."""
    return [loaded.program.test_run(bytes(60 + more)).verdict for more in range(count)]


@pytest.mark.parametrize(
    "section",
    ["tc", "tcx/ingress", "tcx/egress", "tc_ingress", "classifier/main", "action", "prog", "ingress/main", "xdp", "x"],
)
def test_programs_of_other_kinds_do_not_get_in_the_way(load, section):
    """Neither those that the kernel would refuse nor what they alone want of it: symbols, options, struct_ops."""
    loaded = load(ZOO % (CHOSEN % section), program="chosen", wanted=frozenset())

    assert ProgramType.SCHED_CLS == loaded.program.program_type
    assert 2 == loaded.program.test_run(FRAME).verdict
    assert ["mine"] == list(loaded.maps)
    assert {"mine", "others", "nobodys", ".kconfig"} == set(loaded.declared)


def test_maps_that_are_wanted_are_made_though_the_program_does_not_use_them(load):
    """A metric may read them; what else nobody uses is not made."""
    loaded = load(ZOO % (CHOSEN % "tc"), program="chosen", wanted=frozenset({"others", "unknown"}))

    assert {"mine", "others"} == set(loaded.maps)
    assert {"mine", "others", "nobodys"} == set(load(ZOO % (CHOSEN % "tc"), program="chosen").maps)


def test_maps_for_others_are_made_in_any_case(load):
    """Other code refers to a map that is shared or public."""
    table = (
        "struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); }"
    )
    source = "".join(f'{table} {name} SEC(".maps") TAG("dynmon:{name}");' for name in ("shared", "public", "other"))
    loaded = load(source + 'SEC("tc") int dynmon_ingress(void *ctx) { return 0; }', wanted=frozenset())

    assert {"shared", "public"} == set(loaded.maps)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("CONFIG_NO_SUCH_OPTION", OpenError, "the kernel's configuration does not set CONFIG_NO_SUCH_OPTION"),
        ("no_such_function(1)", LoadError, "the kernel has no 'no_such_function'"),
        ("(long)&no_such_symbol", LoadError, "the kernel has no 'no_such_symbol'"),
    ],
)
def test_what_the_kernel_does_not_have_is_named_when_the_program_needs_it(load, code, kind, message):
    """An extern that it cannot do without is an error, and may become weak."""
    chosen = f'SEC("tc") int chosen(struct __sk_buff *ctx) {{ return {code}; }}'
    with pytest.raises(kind, match=message) as caught:
        load(ZOO % chosen, program="chosen")

    assert "__weak" in caught.value.hint


def test_only_what_is_called_counts_as_used(load):
    """Two programs of one section: each with the maps of its own callees, relative calls and callbacks included."""
    table = (
        "struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); }"
    )
    names = ("by_call", "by_callback", "by_global", "by_neighbour", "walked")
    source = (
        "".join(f'{table} {name} SEC(".maps");' for name in names)
        + """
        #define LOOK(map) ({ __u32 key = 0; !bpf_map_lookup_elem(&map, &key); })
        static __attribute__((noinline)) int called(void) { return LOOK(by_call); }
        static int back(__u32 index, void *context) { return LOOK(by_callback) + called() > 1; }
        __attribute__((noinline)) int global(struct __sk_buff *ctx) { return LOOK(by_global) + ctx->len; }
        __hidden __attribute__((noinline)) int hidden(struct __sk_buff *ctx) { return global(ctx); }
        static long each(void *map, __u32 *key, __u64 *value, void *context) { return 0; }
        SEC("tc") int neighbour(struct __sk_buff *ctx) { return LOOK(by_neighbour); }
        SEC("tc") int looping(struct __sk_buff *ctx) { return bpf_loop(3, back, 0, 0); }
        SEC("tc") int walking(struct __sk_buff *ctx) { return bpf_for_each_map_elem(&walked, each, 0, 0); }
        SEC("tc") int calling(struct __sk_buff *ctx) { return hidden(ctx); }
        """
    )
    made = {
        program: set(load(source, program=program, wanted=frozenset()).maps)
        for program in ("neighbour", "looping", "walking", "calling")
    }

    assert {
        "neighbour": {"by_neighbour"},
        "looping": {"by_call", "by_callback"},
        "walking": {"walked"},
        "calling": {"by_global"},
    } == made


def test_tail_calls_of_the_configuration_are_loaded_and_put_in(load):
    """As programs of the chosen one's type, whatever their sections say; the rest is not loaded."""
    calls = {"jumps": {0: "one", 2: "two", 3: "three"}}
    loaded = load(TAIL_CALLS, program="entry", tail_calls=calls)

    assert [1, 100, 2, 1] == verdicts(loaded)
    assert ["jumps"] == list(loaded.maps)


def test_tail_calls_go_to_the_loaded_copy_never_to_a_reused_array(load):
    """Programs in a shared array would run at once, before anybody switched to the new code."""
    first = load(TAIL_CALLS, program="entry", tail_calls={"jumps": {0: "one"}})
    second = load(
        TAIL_CALLS, program="entry", tail_calls={"jumps": {0: "two"}}, reuse={"jumps": first.maps["jumps"].fd}
    )

    assert [1, 100] == verdicts(first, 2)
    assert [2, 100] == verdicts(second, 2)


def test_a_prog_array_without_programs_is_reused_as_any_map(load):
    """Somebody else fills it."""
    first = load(TAIL_CALLS, program="entry", tail_calls={"jumps": {0: "one"}})
    second = load(TAIL_CALLS, program="entry", reuse={"jumps": first.maps["jumps"].fd})

    assert [1, 100] == verdicts(second, 2)


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        (
            {"jumps": {0: "four"}},
            "entry 0 of 'jumps' is to be program 'four', which there is not; it has: entry, one, two",
        ),
        ({"jumps": {4: "one"}}, "prog array 'jumps' has 4 entries, so that it has none with the index 4"),
        ({"jumps": {-1: "one"}}, "it has none with the index -1"),
        ({"leaps": {0: "one"}}, "programs are to be put into map 'leaps', which is not declared; prog arrays: jumps"),
    ],
)
def test_tail_calls_that_cannot_be_are_refused(load, calls, message):
    """With what there is instead."""
    with pytest.raises(OpenError) as caught:
        load(TAIL_CALLS, program="entry", tail_calls=calls)

    assert message in caught.value.message


def test_programs_go_into_prog_arrays_only(load):
    """A hash of that name is told by its type."""
    with pytest.raises(OpenError, match="map 'mine', which is of type hash; prog arrays: none"):
        load(ZOO % (CHOSEN % "tc"), program="chosen", tail_calls={"mine": {0: "chosen"}})


def test_a_refused_tail_call_names_its_own_program_and_line(load):
    """Not the one that was chosen."""
    source = TAIL_CALLS
    with pytest.raises(VerifierError) as caught:
        load(source, program="entry", tail_calls={"jumps": {0: "one", 1: "broken"}}, source=source)

    assert "broken" == caught.value.program
    assert source[: source.index("*(int *)4")].count("\n") + 1 == caught.value.diagnostics[0].line


def test_a_prog_array_filled_by_its_declaration_brings_its_programs(load):
    """And their maps; the array of another program stays empty, so that its programs need not be loaded."""
    loaded = load(STATIC_TAIL_CALLS, program="entry", wanted=frozenset())

    assert [100, 1, 100, 2] == verdicts(loaded)
    assert {"jumps", "seen_by_two"} == set(loaded.maps)
    assert 1 == int.from_bytes(loaded.maps["seen_by_two"].lookup(bytes(4)), "little")
    assert {"jumps", "others", "seen_by_two"} == set(load(STATIC_TAIL_CALLS, program="entry").maps)


def test_a_declared_entry_and_one_of_the_configuration_stand_side_by_side(load):
    """The configuration's takes the place of the declared one."""
    loaded = load(STATIC_TAIL_CALLS, program="entry", tail_calls={"jumps": {1: "two", 2: "one"}})

    assert [100, 2, 1, 2] == verdicts(loaded)


def test_a_program_that_calls_none_of_them_is_loaded_alone(load):
    """Declared prog arrays of other programs make no difference to it."""
    assert [1, 1] == verdicts(load(STATIC_TAIL_CALLS, program="one"), 2)


XDP = """
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 2); __uint(key_size, 4); __uint(value_size, 4); }
jumps SEC(".maps");
SEC("%s") int entry(struct xdp_md *ctx) { bpf_tail_call(ctx, &jumps, 0); return XDP_PASS; }
SEC("%s") int target(struct xdp_md *ctx) { return XDP_DROP; }
"""


@pytest.mark.parametrize("entry", ["xdp", "xdp.frags", "xdp/devmap", "xdp.frags/cpumap", "prog"])
@pytest.mark.parametrize("target", ["xdp", "xdp.frags", "tc"])
def test_xdp_programs_in_a_prog_array_are_alike(load, entry, target):
    """The kernel refuses a mixture of those that take packets in fragments and those that do not."""
    loaded = load(
        XDP % (entry, target), program="entry", program_type=ProgramType.XDP, tail_calls={"jumps": {0: "target"}}
    )

    assert 1 == loaded.program.test_run(FRAME).verdict


def test_xdp_frags_keeps_its_flag(load, veth, index):
    """Only such a program is taken by a driver whose packets may be longer than a page."""
    run("ip", "-n", veth.namespace, "link", "set", veth.peer, "mtu", "9000")
    with_fragments = load(XDP % ("xdp.frags", "xdp"), program="entry", program_type=ProgramType.XDP)
    without = load(XDP % ("xdp", "xdp"), program="entry", program_type=ProgramType.XDP)

    attach_xdp(with_fragments.program, index, "drv", interface_name=veth.host).close()
    with pytest.raises(ModeUnsupported, match="packets longer than a page"):
        attach_xdp(without.program, index, "drv", interface_name=veth.host)


def test_verification_tells_what_the_verifier_did(load):
    """Only when it is asked for; the refusal of a program is no less clear for it."""
    source = """
    static __attribute__((noinline)) int deep(struct __sk_buff *ctx)
    {
        volatile char room[96] = {};
        return room[ctx->len & 63];
    }
    SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { volatile long here = 1; return deep(ctx) + here; }
    """
    loaded = load(source, verbose=True)

    assert loaded.verification.instructions_processed > 10
    assert 8 + 96 <= loaded.verification.stack_bytes <= 8 + 96 + 24
    assert 0 < loaded.verification.seconds < 5
    assert any(line.startswith("stack depth") for line in loaded.verification.log)
    assert load(source).verification is None


def test_a_refusal_is_as_clear_when_verbose(load):
    """The log is that of a second load, since statistics alone give no reason."""
    refused = 'SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return *(int *)(long)ctx->data; }'
    errors = []
    for verbose in (False, True):
        with pytest.raises(VerifierError) as caught:
            load(refused, verbose=verbose)
        errors.append(caught.value.fields())

    assert errors[0]["message"] == errors[1]["message"]
    assert errors[0]["diagnostics"] == errors[1]["diagnostics"]
