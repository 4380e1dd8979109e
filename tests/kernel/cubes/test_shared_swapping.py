"""Maps that both paths of a cube count in, read by swapping; and maps that cannot be."""

import pytest

from dynmon.errors import InjectionError
from dynmon.models import AttachRequest, CubeConfig, Direction
from tests.kernel.cubes.conftest import document
from tests.kernel.cubes.test_reads import EMPTY, SWAP, code, metric, path

ADD = "u32 key = 0; u64 *n = BOTH.lookup(&key); if (n) __sync_fetch_and_add(n, {amount});"
SHARED = 'BPF_TABLE_SHARED("array", u32, u64, BOTH, 1);'
EXTERN = 'BPF_TABLE("extern", u32, u64, BOTH, 1);'
WAYS = ("ingress", "egress")


def sharing(declarer, **options):
    """A path for each direction, one of which declares the map; `options` of a metric by direction."""
    paths = {}
    for way, amount in zip(WAYS, (1, 10), strict=True):
        source = code(SHARED if way == declarer else EXTERN, ADD.format(amount=amount))
        paths[way] = path(source, metric("both", "BOTH", options.get(way)))
    return paths


@pytest.mark.parametrize("declarer", WAYS)
@pytest.mark.parametrize("reader", WAYS)
def test_both_paths_count_in_one_map_and_switch_together(bench, declarer, reader):
    monitor = bench(**sharing(declarer, **{reader: EMPTY}))
    windows = []
    for count in (2, 3):
        monitor.send(count)
        monitor.send(count, "egress")
        windows.append(monitor.value("both", reader))
    other = "egress" if reader == "ingress" else "ingress"

    assert [[22], [33]] == windows
    assert [55] == monitor.value("both", other)


@pytest.mark.parametrize("declarer", WAYS)
def test_a_path_that_is_not_mentioned_begins_and_ends_to_swap_with_the_other(bench, declarer):
    plain = sharing(declarer)
    monitor = bench(**plain)
    monitor.send(1)
    monitor.send(1, "egress")
    other = "egress" if declarer == "ingress" else "ingress"

    monitor.inject(**{other: sharing(declarer, **{other: EMPTY})[other]})
    monitor.send(1)
    monitor.send(1, "egress")
    assert [22] == monitor.value("both", other)
    monitor.send(1, "egress")
    assert [10] == monitor.value("both", other)

    monitor.inject(**{other: plain[other]})
    monitor.send(2)
    monitor.send(1, "egress")
    assert [[44], [44]] == [monitor.value("both", way) for way in WAYS]


def test_a_new_declaration_is_a_new_map_for_both(bench):
    monitor = bench(**sharing("ingress", ingress=EMPTY, egress=SWAP))
    monitor.send(3)
    monitor.send(3, "egress")
    monitor.inject(ingress=sharing("ingress", ingress=EMPTY)["ingress"])
    monitor.send(1)
    monitor.send(1, "egress")

    assert [11] == monitor.value("both", "egress")
    assert [11] == monitor.value("both", "ingress")


PUBLIC = 'BPF_TABLE_PUBLIC("array", u32, u64, BOTH, 1);'


@pytest.mark.parametrize("options", [EMPTY, SWAP])
def test_a_public_map_does_not_swap(registry, bench, options):
    source = code(PUBLIC, ADD.format(amount=1))
    with pytest.raises(InjectionError, match="'BOTH' cannot be swapped or emptied: it is public: other cubes"):
        bench(ingress=path(source, metric("both", "BOTH", options)))

    owner = bench(ingress=path(source, metric("both", "BOTH")))
    user = path(code(EXTERN, ADD.format(amount=10)), metric("both", "BOTH", options))
    with pytest.raises(InjectionError, match="it is public: other cubes"):
        registry.create("user", CubeConfig(dataplane_config=document({"ingress": user})))
    user["metric-configs"] = [metric("both", "BOTH")]
    cube = registry.create("user", CubeConfig(dataplane_config=document({"ingress": user})))
    registry.attach(AttachRequest(cube="user", port=owner.veth.host))
    first = cube.read_metric(Direction.INGRESS, "both", drain=True, since="")
    owner.send(2)

    assert [22] == owner.value("both")
    assert [22] == cube.read_metric(Direction.INGRESS, "both", drain=True, since=first.since).value


def test_a_map_pinned_by_name_does_not_swap(bench):
    source = """
    #include <linux/bpf.h>
    #include <bpf/bpf_helpers.h>
    struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, __u32); __type(value, __u64); __uint(max_entries, 1);
             __uint(pinning, LIBBPF_PIN_BY_NAME); } PINNED SEC(".maps");
    SEC("tc") int count(struct __sk_buff *skb)
    {
        __u32 key = 0;
        __u64 *n = bpf_map_lookup_elem(&PINNED, &key);
        if (n) __sync_fetch_and_add(n, 1);
        return -1;
    }
    char LICENSE[] SEC("license") = "GPL";
    """
    with pytest.raises(InjectionError, match="'PINNED' cannot be swapped or emptied: it is pinned by name"):
        bench(ingress=path(source, metric("packets", "PINNED", EMPTY)))


def test_each_path_declares_a_map_for_the_other_and_both_swap(bench):
    """Egress declares one first; ingress refers to it and declares the other, to which egress refers then."""
    one = 'BPF_TABLE_SHARED("array", u32, u64, ONE, 1);', 'BPF_TABLE("extern", u32, u64, ONE, 1);'
    two = 'BPF_TABLE_SHARED("array", u32, u64, TWO, 1);', 'BPF_TABLE("extern", u32, u64, TWO, 1);'
    add = ADD.format(amount=1).replace("BOTH", "ONE")
    both = add + add.replace("ONE", "TWO").replace("u32 key = 0; u64 *n", "u64 *m").replace("(n)", "(m)").replace(
        "(n,", "(m,"
    )
    monitor = bench(egress=path(code(one[0], add), metric("one", "ONE", EMPTY)))
    monitor.inject(ingress=path(code(one[1] + two[0], both), metric("one", "ONE", EMPTY), metric("two", "TWO", EMPTY)))
    monitor.inject(egress=path(code(one[0] + two[1], both), metric("one", "ONE", EMPTY), metric("two", "TWO", EMPTY)))
    for count in (2, 3):
        for way in WAYS:
            monitor.send(count, way)
        assert [[2 * count], [2 * count]] == [monitor.value(name) for name in ("one", "two")]
        assert [[2 * count], [2 * count]] == [monitor.value(name, "egress") for name in ("one", "two")]


def test_a_shared_map_that_swaps_cannot_become_public_by_being_kept(bench):
    monitor = bench(**sharing("ingress", egress=EMPTY))
    source = code(PUBLIC, ADD.format(amount=1))
    with pytest.raises(InjectionError, match="it is public: other cubes"):
        monitor.inject(ingress=path(source, metric("both", "BOTH"), **{"keep-maps": True}))
