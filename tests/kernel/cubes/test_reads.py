"""What each kind of read means, and that no reader takes anything from another."""

import pytest

from dynmon.cubes.errors import TokenForgotten
from dynmon.metrics import ExpositionFormat, Page
from dynmon.models import Direction
from tests.expositions import text_of

COUNT = "u32 key = 0; u64 *n = COUNTS.lookup(&key); if (n) __sync_fetch_and_add(n, 1);"
BY_LENGTH = """u32 key = md->packet_len; u64 zero = 0, *n = SIZES.lookup_or_try_init(&key, &zero);
if (n) __sync_fetch_and_add(n, 1);"""
EMPTY = {"empty-on-read": True}
SWAP = {"swap-on-read": True}
COUNTER = {"help": "Packets", "type": "counter"}
GAUGE = {"help": "Packets", "type": "gauge"}


def code(declarations, body):
    """Dialect code with a handler around `body`."""
    head = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)"
    return f"{declarations}\n{head} {{ {body} return RX_OK; }}"


COUNTING = code("BPF_ARRAY(COUNTS, u64, 1);", COUNT)
SIZING = code("BPF_HASH(SIZES, u32, u64, 1024);", BY_LENGTH)


def metric(name, map_name, options=None, **more):
    return {"name": name, "map-name": map_name, "extraction-options": options or {}, **more}


def path(source, *metrics, **more):
    return {"code": source, "metric-configs": list(metrics), **more}


def samples(cube):
    """The samples of the cube's own exposition."""
    lines = text_of(cube.open_metrics(ExpositionFormat.OPENMETRICS)).splitlines()
    return {name: int(value) for name, value in (line.split(" ") for line in lines if not line.startswith("#"))}


def test_an_emptying_read_is_what_happened_since_the_one_before(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    values = []
    for count in (3, 0, 5):
        monitor.send(count)
        values.append(monitor.value("packets"))

    assert [[3], [0], [5]] == values


def test_a_look_takes_nothing(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    monitor.send(3)

    assert [[3], [3]] == [monitor.value("packets", drain=False) for _ in range(2)]
    assert [3] == monitor.value("packets")
    assert [0] == monitor.value("packets", drain=False)


@pytest.mark.parametrize("options", [SWAP, {}])
def test_what_is_not_emptied_goes_on_counting(bench, options):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", options)))
    totals = []
    for count in (3, 2, 0):
        monitor.send(count)
        totals.append(monitor.value("packets"))

    assert [[3], [5], [5]] == totals


def test_readers_of_one_map_do_not_disturb_each_other(bench):
    """Two metrics empty it, one does not, and two scrapes see the same."""
    metrics = [
        metric("first", "COUNTS", EMPTY),
        metric("second", "COUNTS", {**EMPTY, **SWAP}),
        metric("all", "COUNTS"),
        metric("exported_total", "COUNTS", EMPTY, **{"open-metrics-metadata": COUNTER}),
        metric("level", "COUNTS", EMPTY, **{"open-metrics-metadata": GAUGE}),
    ]
    monitor = bench(ingress=path(COUNTING, *metrics))
    monitor.send(4)
    assert [4] == monitor.value("first")
    monitor.send(3)

    assert {"exported_total": 7, "level": 7} == samples(monitor.cube)
    assert [3] == monitor.value("first")
    assert {"exported_total": 7, "level": 7} == samples(monitor.cube)
    assert [7] == monitor.value("second")
    assert [7] == monitor.value("all")
    assert [7] == monitor.value("level")
    assert {"exported_total": 7, "level": 0} == samples(monitor.cube)
    assert [7] == monitor.value("exported_total")
    assert {"exported_total": 7, "level": 0} == samples(monitor.cube)


def test_one_read_of_both_paths_is_one_moment(bench):
    paths = {way: path(COUNTING, metric("packets", "COUNTS", {**EMPTY, **SWAP})) for way in ("ingress", "egress")}
    monitor = bench(**paths)
    monitor.send(3)
    monitor.send(2, "egress")

    readings = monitor.cube.read_all(drain=True)
    [ingress], [egress] = readings[Direction.INGRESS], readings[Direction.EGRESS]

    assert ([3], [2]) == (ingress.value, egress.value)
    assert ingress.timestamp == egress.timestamp


def test_entries_of_a_hash_are_gone_after_an_emptying_read(bench):
    monitor = bench(ingress=path(SIZING, metric("sizes", "SIZES", EMPTY)))
    monitor.send(2, size=60)
    monitor.send(1, size=70)
    first = monitor.value("sizes")
    monitor.send(4, size=70)

    assert {60: 2, 70: 1} == {entry["key"]: entry["value"] for entry in first}
    assert [{"key": 70, "value": 4}] == monitor.value("sizes")
    assert [] == monitor.value("sizes")


def test_a_variable_is_emptied_alone(bench):
    source = code(
        "u64 packets, bytes;", "__sync_fetch_and_add(&packets, 1); __sync_fetch_and_add(&bytes, md->packet_len);"
    )
    variables = [
        {"name": "packets", "variable": "packets", "extraction-options": EMPTY},
        {"name": "bytes", "variable": "bytes"},
    ]
    monitor = bench(ingress=path(source, *variables))
    monitor.send(3, size=60)
    assert [3] == monitor.value("packets")
    monitor.send(2, size=60)

    assert [300] == monitor.value("bytes")
    assert [2] == monitor.value("packets")


def test_a_sum_has_more_bits_than_its_parts(bench):
    source = code(
        "BPF_ARRAY(COUNTS, u32, 1);",
        "u32 key = 0, *n = COUNTS.lookup(&key); if (n) __sync_fetch_and_add(n, 3000000000U);",
    )
    monitor = bench(ingress=path(source, metric("bytes_total", "COUNTS", EMPTY, **{"open-metrics-metadata": COUNTER})))
    for _ in range(3):
        monitor.send(1)
        assert [3000000000] == monitor.value("bytes_total")

    assert {"bytes_total": 9000000000} == samples(monitor.cube)


def test_fields_are_merged_as_the_metric_says(bench):
    """Lengths 70, 60, 80 in a window each; a zero is "not set yet" for the least."""
    body = """u32 key = 0, size = md->packet_len; struct sizes zero = {}, *s = SIZES.lookup_or_try_init(&key, &zero);
    if (!s) return RX_OK;
    s->sum += size; s->latest = size;
    if (size > s->most) s->most = size;
    if (!s->least || size < s->least) s->least = size;"""
    source = code("struct sizes { u32 sum, latest, most, least; }; BPF_HASH(SIZES, u32, struct sizes, 4);", body)
    rules = {"latest": "last", "most": "max", "least": "min"}
    monitor = bench(
        ingress=path(source, metric("all", "SIZES", SWAP, merge=rules), metric("window", "SIZES", EMPTY, merge=rules))
    )
    for size in (70, 60, 80):
        monitor.send(1, size=size)
        window = {"sum": size, "latest": size, "most": size, "least": size}
        assert [{"key": 0, "value": window}] == monitor.value("window")

    assert [{"key": 0, "value": {"sum": 210, "latest": 80, "most": 80, "least": 60}}] == monitor.value("all")


def test_windows_of_tokens_take_nothing_from_anybody(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    monitor.send(2)
    mine = monitor.reading("packets", since="")
    monitor.send(3)
    yours = monitor.reading("packets", since="")
    monitor.send(4)

    assert ([2], [5]) == (mine.value, yours.value)
    assert [9] == monitor.value("packets")
    assert [7] == monitor.value("packets", since=mine.since)
    assert [4] == monitor.value("packets", since=yours.since)


def test_a_token_can_be_used_again_until_its_successor_is(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", SWAP)))
    first = monitor.reading("packets", since="").since
    monitor.send(3)
    lost = monitor.reading("packets", since=first)
    again = monitor.reading("packets", since=first)
    assert ([3], [3]) == (lost.value, again.value)

    assert [0] == monitor.value("packets", since=again.since)
    with pytest.raises(TokenForgotten):
        monitor.reading("packets", since=first)


def test_windows_of_a_map_that_nobody_empties_are_differences(bench):
    monitor = bench(ingress=path(SIZING, metric("sizes", "SIZES")))
    monitor.send(2, size=60)
    monitor.send(2, size=70)
    begin = monitor.reading("sizes", since="")
    monitor.send(5, size=70)
    window = monitor.reading("sizes", since=begin.since)

    assert {60: 2, 70: 2} == {entry["key"]: entry["value"] for entry in begin.value}
    assert [{"key": 70, "value": 5}] == window.value
    assert [] == monitor.value("sizes", since=window.since)


def test_tokens_end_with_the_code(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    token = monitor.reading("packets", since="").since
    monitor.inject(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))

    with pytest.raises(TokenForgotten, match="its code was replaced since"):
        monitor.reading("packets", since=token)
    with pytest.raises(TokenForgotten):
        monitor.reading("packets", since="0000-1")


@pytest.mark.parametrize("options", [{}, EMPTY, SWAP, {**EMPTY, **SWAP}])
def test_pages_have_every_entry_once(bench, options):
    monitor = bench(ingress=path(SIZING, metric("sizes", "SIZES", options)))
    for size in range(60, 110):
        monitor.send(1, size=size)
    pages = monitor.pages("sizes", 7)

    assert len(pages) > 1
    assert [(size, 1) for size in range(60, 110)] == sorted(
        (each["key"], each["value"]) for page in pages for each in page
    )


def test_pages_of_an_emptying_read_are_of_one_moment_and_lose_nothing(bench):
    monitor = bench(ingress=path(SIZING, metric("sizes", "SIZES", EMPTY)))
    for size in range(60, 70):
        monitor.send(1, size=size)
    first = monitor.reading("sizes", page=Page(4))
    monitor.send(1, size=90)
    second = monitor.reading("sizes", page=Page(4, first.cursor))
    rest = monitor.value("sizes")

    keys = [[each["key"] for each in page] for page in (first.value, second.value, rest)]
    assert [list(range(60, 64)), list(range(64, 68)), [68, 69, 90]] == [sorted(page) for page in keys]


@pytest.mark.parametrize(("macro", "order"), [("BPF_QUEUE", [60, 61, 62]), ("BPF_STACK", [62, 61, 60])])
def test_what_a_scrape_takes_out_of_a_queue_waits_for_the_reader(bench, macro, order):
    source = code(f"{macro}(SIZES, u32, 8);", "u32 size = md->packet_len; SIZES.push(&size, 0);")
    monitor = bench(ingress=path(source, metric("sizes", "SIZES", **{"open-metrics-metadata": GAUGE})))
    for size in (60, 61):
        monitor.send(1, size=size)
    scraped = [samples(monitor.cube) for _ in range(2)]
    monitor.send(1, size=62)

    assert scraped[0] == scraped[1]
    assert sorted(order[:2] if order[0] == 60 else order[1:]) == sorted(scraped[0].values())
    assert order == monitor.value("sizes")
    assert [] == monitor.value("sizes")


def test_initial_entries_are_counted_once(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", SWAP), **{"initial-entries": {"COUNTS": [100]}}))
    totals = []
    for _ in range(3):
        monitor.send(1)
        totals.append(monitor.value("packets"))

    assert [[101], [102], [103]] == totals
