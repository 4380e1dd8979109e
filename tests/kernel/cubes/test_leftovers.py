"""What is taken out and not given yet: pages that are begun and left, cursors that are none, queues nobody reads."""

import pytest

from dynmon.cubes.tokens import MOST_TOKENS
from dynmon.metrics import Page
from dynmon.metrics.paging import InvalidCursor
from dynmon.models import Direction
from tests.kernel.cubes.test_reads import COUNTING, EMPTY, GAUGE, SIZING, SWAP, code, metric, path, samples


def keys(value):
    return [each["key"] for each in value]


@pytest.mark.parametrize("cursor", ["!", "AAAA"])
def test_a_cursor_that_is_none_takes_nothing(bench, cursor):
    monitor = bench(ingress=path(SIZING, metric("sizes", "SIZES", EMPTY)))
    for size in (60, 61, 62):
        monitor.send(1, size=size)
    assert [60] == keys(monitor.value("sizes", page=Page(1)))
    with pytest.raises(InvalidCursor):
        monitor.reading("sizes", page=Page(1, cursor))

    assert [61, 62] == sorted(keys(monitor.value("sizes")))


def test_two_clients_that_page_at_once_get_every_entry_once(bench):
    """The second begins while the first is behind what comes new."""
    monitor = bench(ingress=path(SIZING, metric("sizes", "SIZES", EMPTY)))
    for size in (70, 71, 72):
        monitor.send(1, size=size)
    first = monitor.reading("sizes", page=Page(2))
    for size in (60, 61, 62):
        monitor.send(1, size=size)
    second = monitor.reading("sizes", page=Page(2))
    third = monitor.reading("sizes", page=Page(2, first.cursor))

    assert [[70, 71], [60, 61], [72]] == [keys(each.value) for each in (first, second, third)]
    assert third.cursor is None
    assert [62] == keys(monitor.value("sizes"))


def test_a_page_that_somebody_else_has_read_meanwhile_is_empty(bench):
    monitor = bench(ingress=path(SIZING, metric("sizes", "SIZES", EMPTY), metric("others", "SIZES", EMPTY)))
    for size in (60, 61):
        monitor.send(1, size=size)
    first = monitor.reading("sizes", page=Page(1))
    assert [61] == keys(monitor.value("sizes"))
    monitor.send(1, size=59 + 10)
    monitor.value("others")

    assert [] == monitor.value("sizes", page=Page(1, first.cursor))
    assert [69] == keys(monitor.value("sizes"))


@pytest.mark.parametrize(("macro", "order"), [("BPF_QUEUE", 1), ("BPF_STACK", -1)])
def test_values_of_a_large_queue_come_in_its_order(bench, macro, order):
    source = code(
        f"BPF_ARRAY(NUMBERS, u32, 1); {macro}(VALUES, u32, 5000);",
        "u32 key = 0, *n = NUMBERS.lookup(&key); if (n) { VALUES.push(n, 0); *n += 1; }",
    )
    monitor = bench(ingress=path(source, metric("values", "VALUES", SWAP)))
    monitor.send(4500)

    assert list(range(4500))[::order] == monitor.value("values")


def test_scrapes_of_a_queue_that_swaps_keep_no_more_than_they_may(bench):
    source = code("BPF_QUEUE(SIZES, u32, 8);", "u32 size = md->packet_len; SIZES.push(&size, 0);")
    monitor = bench(ingress=path(source, metric("sizes", "SIZES", SWAP, **{"open-metrics-metadata": GAUGE})))
    account = monitor.cube._reads.items(Direction.INGRESS)[0]
    account._limits = type(account._limits)(kept_bytes=4 * 10)
    for _ in range(3):
        monitor.send(8)
        samples(monitor.cube)

    assert 10 == len(samples(monitor.cube))
    assert 14 == monitor.cube.dropped_entries(Direction.INGRESS)
    assert 10 == len(monitor.value("sizes"))


def test_an_exposition_of_many_cubes_leaves_a_queue_alone(bench):
    source = code("BPF_QUEUE(SIZES, u32, 8);", "u32 size = md->packet_len; SIZES.push(&size, 0);")
    monitor = bench(ingress=path(source, metric("sizes", "SIZES", SWAP, **{"open-metrics-metadata": GAUGE})))
    monitor.send(3)
    active = monitor.cube._dataplane.paths[Direction.INGRESS].maps["SIZES"].info.id
    monitor.cube.families()

    assert active == monitor.cube._dataplane.paths[Direction.INGRESS].maps["SIZES"].info.id
    assert 3 == len(monitor.value("sizes"))


def test_tokens_of_code_that_is_gone_keep_nothing(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    for _ in range(5):
        monitor.reading("packets", since="")
    tokens = monitor.cube._reads._tokens
    monitor.inject(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    assert 0 == len(tokens._seen)

    for _ in range(MOST_TOKENS + 5):
        monitor.reading("packets", since="")
    assert MOST_TOKENS == len(tokens._seen)
