"""Maps that two programs share: what they have to agree on, and how long a public map lives."""

from dataclasses import dataclass

import pytest

from dynmon.bpf import LoadedObject, Loader, LoadRequest, OpenError, ProgramType
from dynmon.btf import Btf
from dynmon.dataplane.map_layouts import MapLayout
from dynmon.dataplane.shared_maps import PublicMaps, check_shared, explain_undefined, offered, public_sides
from dynmon.dataplane.sharing_errors import (
    LayoutDiffers,
    MapAlreadyPublic,
    MapSharedTwice,
    PublicMapInUse,
    PublicMapReplaced,
)
from dynmon.models import Direction
from tests.kernel.bpf.objects import compile_c
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang"), pytest.mark.usefixtures("no_leaks")]

FRAME = bytes(60)
INGRESS, EGRESS = Direction
COUNTER = """
{types}
struct {{
	__uint(type, BPF_MAP_TYPE_{kind});
	__uint(max_entries, {entries});
	__type(key, __u32);
	__type(value, {value});
}} all TAG("dynmon:{tag}") SEC(".maps");
SEC("tc") int dynmon_ingress(void *ctx)
{{
	__u32 key = 0;
	{value} *value = bpf_map_lookup_elem(&all, &key);

	if (value)
		__sync_fetch_and_add((__u32 *)value, {step});
	return TC_ACT_UNSPEC;
}}
"""
TWO_FIELDS = "struct pair { __u32 first; __u32 second; };"


@dataclass(frozen=True)
class Code:
    """What a path is to those who look at its maps."""

    loaded: LoadedObject

    @property
    def btf(self):
        return Btf.parse(self.loaded.btf)

    def run(self, packets):
        self.loaded.program.test_run(FRAME, repeat=packets)

    @property
    def all(self):
        return self.loaded.maps["all"]

    def count(self):
        return int.from_bytes(self.all.lookup(bytes(4))[:4], "little")


@pytest.fixture(scope="module")
def loader():
    with Loader() as process:
        yield process


class Cubes:
    """Cubes without anything but one path, and what is public among them."""

    def __init__(self, loader):
        self.public_maps = PublicMaps()
        self._loader = loader
        self._running = {}

    def load(self, tag, *, cube="", offers=None, step=1, **types):
        """The code of a counter; what is public is there for it."""
        facts = {"types": "", "kind": "ARRAY", "entries": 1, "value": "__u64", **types}
        with self.public_maps.lent(cube) as lent:
            request = LoadRequest(
                object=compile_c(COUNTER.format(tag=tag, step=step, **facts)),
                program="dynmon_ingress",
                program_type=ProgramType.SCHED_CLS,
                file="ingress",
                memory_bytes=1 << 28,
                offers=lent.offers if offers is None else offers,
                public=lent.takeovers,
            )
            return Code(self._loader.load(request))

    def inject(self, cube, tag, **types):
        """New code for a cube, or none: what is refused changes nothing."""
        code = self.load(tag, cube=cube, **types) if tag else None
        try:
            self.public_maps.publish(cube, *public_sides({INGRESS: code}))
        except BaseException:
            code.loaded.close()
            raise
        if old := self._running.pop(cube, None):
            old.loaded.close()
        if code:
            self._running[cube] = code
        return code

    def names(self):
        with self.public_maps.lent("") as lent:
            return dict(lent.owners)

    def close(self):
        for cube in list(self._running):
            self.inject(cube, None)
        assert {} == self.names()


@pytest.fixture
def cubes(loader):
    cubes = Cubes(loader)
    yield cubes
    cubes.close()


def test_a_public_map_is_one_for_all_cubes(cubes):
    """Whoever counts, counts there."""
    owner, user, other = cubes.inject("a", "public"), cubes.inject("b", "extern", step=10), cubes.inject("c", "extern")
    owner.run(3)
    user.run(2)
    other.run(4)

    assert 27 == owner.count() == user.count() == other.count()


def test_a_public_map_lives_until_its_last_user_goes(cubes):
    """The owner's end is not the map's; who comes later finds what was counted."""
    cubes.inject("a", "public").run(3)
    user = cubes.inject("b", "extern")
    cubes.inject("a", None)
    user.run(2)
    late = cubes.inject("c", "extern")
    cubes.inject("b", None)
    late.run(1)

    assert 6 == late.count()
    assert {"all": ""} == cubes.names()
    cubes.inject("c", None)
    assert {} == cubes.names()
    with pytest.raises(OpenError, match="undefined table 'all'"):
        cubes.inject("d", "extern")


@pytest.mark.parametrize("declarer", ["a", "z"])
def test_who_declares_a_map_in_use_goes_on_in_it(cubes, declarer):
    """Its cube with other code, or any when its cube has gone: there is never a second map of a name."""
    cubes.inject("a", "public").run(3)
    user = cubes.inject("b", "extern")
    if declarer != "a":
        cubes.inject("a", None)
    again = cubes.inject(declarer, "public", step=100)
    again.run(1)
    user.run(1)

    assert 104 == again.count() == user.count()
    assert {"all": declarer} == cubes.names()


def test_a_public_map_that_nobody_else_uses_starts_empty(cubes):
    """New code, new maps, as everywhere; also where its own cube was the only user."""
    cubes.inject("a", "public").run(3)
    assert 0 == cubes.inject("a", "public", value="struct pair", types=TWO_FIELDS).count()
    cubes.inject("b", "extern", value="struct pair", types=TWO_FIELDS)
    cubes.inject("a", None)
    assert 0 == cubes.inject("b", "public").count()
    assert {"all": "b"} == cubes.names()


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"kind": "HASH"}, "it is of type hash, not array"),
        ({"value": "__u32"}, "it has 4 bytes in a value, not 8"),
        ({"entries": 2}, "it has 2 entries, not 1"),
        ({"value": "struct pair", "types": TWO_FIELDS}, "in its value, it is a struct or union of 8 bytes, not"),
    ],
)
def test_a_map_in_use_does_not_change(cubes, change, difference):
    """The refusal has the users and the difference; everything goes on."""
    cubes.inject("a", "public").run(3)
    user = cubes.inject("c", "extern")
    cubes.inject("b", "extern")
    with pytest.raises(PublicMapInUse, match=f"in use by 'b', 'c' and cannot change: {difference}") as caught:
        cubes.inject("a", "public", **change)

    assert ("all", ["b", "c"], "ingress-path") == tuple(caught.value.fields()[key] for key in ("map", "users", "path"))
    user.run(1)
    assert 4 == user.count()
    assert {"all": "a"} == cubes.names()


def test_a_map_that_came_into_use_meanwhile_is_not_left(cubes):
    """Code that was loaded before somebody used the map would begin a second one."""
    cubes.inject("a", "public")
    late = cubes.load("public", cube="a")
    user = cubes.inject("b", "extern")
    with late.loaded, pytest.raises(PublicMapInUse, match="it would be a new one") as caught:
        cubes.public_maps.publish("a", *public_sides({INGRESS: late}))

    assert "once more" in caught.value.hint
    assert user.all.info.id == cubes.inject("a", "public").all.info.id


def test_a_map_that_was_replaced_meanwhile_is_not_used(cubes):
    """Code that was loaded with the old one would count where nobody looks."""
    cubes.inject("a", "public")
    late = cubes.load("extern", cube="b")
    cubes.inject("a", "public")
    with late.loaded, pytest.raises(PublicMapReplaced, match="was replaced while the code"):
        cubes.public_maps.publish("b", *public_sides({INGRESS: late}))


def test_a_map_whose_owner_went_meanwhile_is_kept_by_its_user(cubes):
    """It is loaded already, so it has the map."""
    cubes.inject("a", "public").run(2)
    late = cubes.load("extern", cube="b")
    cubes.inject("a", None)
    with late.loaded:
        cubes.public_maps.publish("b", *public_sides({INGRESS: late}))
        assert {"all": ""} == cubes.names()
        assert 2 == cubes.inject("c", "extern").count()
        cubes.public_maps.publish("b", {}, {})


def test_a_living_owner_has_its_name_for_itself(cubes):
    """Whether somebody uses the map or not."""
    cubes.inject("a", "public")
    for _ in range(2):
        with pytest.raises(MapAlreadyPublic, match="public map 'all' is already declared by cube 'a'"):
            cubes.inject("z", "public")
        cubes.inject("b", "extern")


def test_publishing_is_taken_back_by_what_was_published_before(cubes):
    """As when a switch fails after it, whatever was declared, used or dropped."""
    owner = cubes.inject("a", "public")
    before = public_sides({INGRESS: owner})
    cubes.public_maps.publish("a", {}, {})
    assert {} == cubes.names()
    cubes.public_maps.publish("a", *before)
    assert {"all": "a"} == cubes.names()

    user = cubes.inject("b", "extern")
    cubes.inject("a", None)
    cubes.public_maps.publish("b", {}, {})
    cubes.public_maps.publish("b", *public_sides({INGRESS: user}))
    with cubes.public_maps.lent("c") as lent:
        assert ({"all"}, {"all"}, {"all": ""}) == (set(lent.offers), set(lent.takeovers), lent.owners)


def test_a_trial_is_told_what_publishing_would_say(cubes):
    """Its maps are its own, so only their layouts count."""
    cubes.inject("a", "public")
    cubes.inject("b", "extern")
    same, wider = cubes.load("public"), cubes.load("public", entries=2)
    with same.loaded, wider.loaded:
        cubes.public_maps.check("a", *public_sides({INGRESS: same}))
        with pytest.raises(PublicMapInUse, match="it has 2 entries, not 1"):
            cubes.public_maps.check("a", *public_sides({INGRESS: wider}))
        with pytest.raises(MapAlreadyPublic):
            cubes.public_maps.check("z", *public_sides({INGRESS: same}))
        cubes.inject("a", None)
        with cubes.public_maps.lent("") as lent:
            assert (["all"], {}) == (list(lent.offers), lent.takeovers)
        cubes.public_maps.check("z", *public_sides({INGRESS: same}))
    assert {"all": ""} == cubes.names()


def test_an_extern_of_another_layout_is_refused(cubes):
    """Of the same size, so that the kernel sees no difference."""
    cubes.inject("a", "public", value="struct pair", types=TWO_FIELDS)
    turned = "struct pair { __u32 second; __u32 first; };"
    with pytest.raises(LayoutDiffers, match="'all' is not declared as cube 'a' has it: in its value, field 'second'"):
        cubes.inject("b", "extern", value="struct pair", types=turned)
    assert cubes.inject("b", "extern", value="struct other", types=TWO_FIELDS.replace("pair", "other"))


@pytest.mark.parametrize("tag", ["shared", "public"])
def test_the_paths_of_a_cube_agree(cubes, tag):
    """On one declaration, and on what is in the map; neither is a use of somebody else's."""
    ingress = cubes.load(tag, value="struct pair", types=TWO_FIELDS)
    good = cubes.load("extern", offers=offered(ingress), value="struct pair", types=TWO_FIELDS)
    bad = cubes.load("extern", offers=offered(ingress))
    twice = cubes.load("shared")
    with ingress.loaded, good.loaded, bad.loaded, twice.loaded:
        check_shared({INGRESS: ingress, EGRESS: good})
        check_shared({INGRESS: good, EGRESS: ingress})
        check_shared({INGRESS: ingress, EGRESS: None})
        declared, used = public_sides({INGRESS: ingress, EGRESS: good})
        assert (tag == "public", set()) == ("all" in declared, set(used))
        with pytest.raises(LayoutDiffers, match="is not declared as the ingress code has it") as caught:
            check_shared({INGRESS: ingress, EGRESS: bad})
        assert "egress-path" == caught.value.fields()["path"]
        with pytest.raises(MapSharedTwice, match="'all' is declared by the ingress code and by the egress code"):
            check_shared({INGRESS: ingress, EGRESS: twice})


def test_an_undefined_table_comes_with_those_there_are(cubes):
    """And with the nearest name."""
    cubes.inject("a", "public")
    with pytest.raises(OpenError) as caught:
        cubes.load("extern", offers={})
    told = explain_undefined(caught.value, ["call", "other"], {"ALL": "a", "flows": ""})

    assert told.message.startswith("reference to undefined table 'all'; ")
    assert told.message.endswith("; shared by the cube's other path: call, other; public: ALL (cube 'a'), flows")
    assert told.hint.startswith("did you mean 'call'? if not, inject the code that declares it first: BPF_TABLE_PUBLIC")
    assert "all" == told.undefined
    nothing = explain_undefined(caught.value, [], {})
    assert nothing.message.endswith("; shared by the cube's other path: none; public: none")
    assert nothing.hint.startswith("inject the code")


SAME = [
    ("typedef __u64 big; struct a { big one; __u32 two[2]; }", "struct b { unsigned long one; unsigned int two[2]; }"),
    ("struct a { int x; char name[4]; }", "struct b { __u32 x; signed char name[4]; }"),
    ("struct a { struct { __u16 p; __u16 q; }; }", "struct b { __u16 p; __u16 q; }"),
    ("struct a { enum { ONE } state; }", "struct b { enum { TWO, THREE } state; }"),
    ("struct a { void *p; }", "struct b { struct unknown *p; }"),
]
DIFFERENT = [
    ("struct a { __u32 x; __u32 y; }", "struct b { __u32 x; __u32 z; }", "field 'y' stands where the other has 'z'"),
    (
        "struct a { __u32 x; __u32 y; }",
        "struct b { __u64 x; }",
        "field 'x' is an integer of 4 bytes, not an integer of 8",
    ),
    ("struct a { __u64 x; }", "struct b { double x; }", "field 'x' is an integer of 8 bytes, not a floating-point"),
    ("struct a { __u64 x; }", "struct b { __u64 x; struct {} y; }", "there is no field 'y'"),
    ("struct a { __u64 x; struct {} y; }", "struct b { __u64 x; }", "there is a field 'y'"),
    (
        "struct a { __u8 x[4]; }",
        "struct b { __u32 x; }",
        "field 'x' is an array of 4 elements of 1 bytes, not an integer",
    ),
    ("struct a { __u8 x[2][4]; }", "struct b { __u8 x[4][2]; }", "field 'x' is an array of 2 elements of 4 bytes, not"),
    ("struct a { __u16 x[4]; }", "struct b { struct { __u8 h, l; } x[4]; }", r"field 'x\[\]' is an integer of 2 bytes"),
    (
        "struct a { struct { __u32 p; __u32 q; } in; }",
        "struct b { struct { __u32 p; float q; } in; }",
        "field 'in.q' is an integer of 4 bytes, not a floating-point number of 4",
    ),
    ("struct a { __u8 x; __u16 y; }", "struct b { __u8 x; __u16 y; } __attribute__((packed))", None),
    (
        "struct a { __u8 x; __u8 y __attribute__((aligned(2))); }",
        "struct b { __u8 x; __u8 y; __u16 : 16; }",
        "field 'y' begins at byte 2, not 1",
    ),
    ("struct a { __u32 x : 4, y : 28; }", "struct b { __u32 x : 5, y : 27; }", "field 'x' is 4 bits from bit 0, not 5"),
    ("struct a { _Bool x; }", "struct b { __u8 x; }", "field 'x' is a boolean of 1 bytes, not an integer"),
]


def layouts(loader, ours, theirs):
    """How two objects see a map whose values are these."""
    found = []
    for declaration in (ours, theirs):
        name = " ".join(declaration.replace("typedef __u64 big; ", "").split()[:2])
        members = (
            f"__uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, {name}); __type(value, {name});"
        )
        program = 'SEC("tc") int dynmon_ingress(void *ctx) { return 0; }'
        source = f'{declaration};\nstruct {{ {members} }} all SEC(".maps");\n{program}'
        request = LoadRequest(compile_c(source), "dynmon_ingress", ProgramType.SCHED_CLS, "ingress", 1 << 28)
        with loader.load(request) as loaded:
            found.append(MapLayout.of(loaded.maps["all"], Btf.parse(loaded.btf)))
    return found


@pytest.mark.parametrize(("ours", "theirs"), SAME)
def test_names_and_signs_of_types_do_not_matter(loader, ours, theirs):
    """Nor do the names of an enumeration: they are not in the map."""
    here, there = layouts(loader, ours, theirs)

    assert "" == here.difference_from(there, entries=True)


@pytest.mark.parametrize(("ours", "theirs", "difference"), DIFFERENT)
def test_the_first_difference_is_named(loader, ours, theirs, difference):
    """By the path of the field."""
    here, there = layouts(loader, ours, theirs)
    found = here.difference_from(there)

    assert found.startswith(
        f"in its key, {difference}".replace("\\", "") if difference else "it has 4 bytes in a key, not 3"
    )
