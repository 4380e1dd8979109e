"""Ring buffers and perf event arrays: what is a metric of them, and that every record comes to every listener once."""

import os
import re
import threading
from contextlib import ExitStack

import pytest

from dynmon.bpf import Loader, LoadRequest, ProgramType
from dynmon.btf import Btf
from dynmon.cubes.events import (
    DELETED,
    QUEUE_BYTES,
    QUEUE_RECORDS,
    REPLACED,
    End,
    Event,
    EventHub,
    EventMetricNotFound,
    Lost,
    NoEventMetrics,
)
from dynmon.metrics import UnreadableMap
from dynmon.metrics.events import Record, bind_events, is_events
from dynmon.metrics.refusals import EVENTS
from dynmon.models import Direction, MetricConfig
from tests.kernel.bpf.objects import compile_c
from tests.support import eventually, needs, open_descriptors

pytestmark = [needs("kernel", "clang"), pytest.mark.usefixtures("no_leaks", "one_cpu")]

CODE = """
struct event { __u64 number; __u32 length; __u16 port; __u8 mac[6]; };
struct event *event_type;
struct { %(map)s } EVENTS SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } OTHERS SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 2); __type(key, __u32); __type(value, __u64); }
COUNTS SEC(".maps");

SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	__u32 sent = 0, failed = 1;
	__u64 *next = bpf_map_lookup_elem(&COUNTS, &sent);
	__u64 *failures = bpf_map_lookup_elem(&COUNTS, &failed);
	struct event event = {.length = ctx->len, .port = 0x1234};

	if (!next || !failures)
		return 0;
	event.number = ++*next;
	if (%(output)s)
		*failures += 1;
	if (bpf_ringbuf_query(&OTHERS, 99) == 0) /* so that it is made */
		return 0;
	return 0;
}
"""
KINDS = {
    "ringbuf": {
        "map": "__uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 20);",
        "output": "bpf_ringbuf_output(&EVENTS, &event, sizeof(event), 0)",
    },
    "perf": {
        "map": "__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4);",
        "output": "bpf_perf_event_output(ctx, &EVENTS, BPF_F_CURRENT_CPU, &event, sizeof(event))",
    },
}
# A declaration that says what the records are, as other loaders let it, and which the kernel would not have.
DECLARED = {
    "ringbuf-declared": {
        "map": "__uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 20); __type(value, struct event);",
        "output": KINDS["ringbuf"]["output"],
    },
    "perf-declared": {
        "map": "__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __type(key, int); __type(value, struct event);",
        "output": KINDS["perf"]["output"],
    },
}
TYPED = {"type": "struct event"}
FRAME = bytes(60)
SENT = 1000
EVENT_BYTES = 20


@pytest.fixture
def one_cpu():
    """Each CPU has a perf buffer of its own: records of one are in order."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture(scope="module")
def loader():
    with Loader() as process:
        yield process


class Loaded:
    """Code in the kernel, and a hub that knows its event metrics."""

    def __init__(self, loaded):
        self.loaded = loaded
        self.btf = Btf.parse(loaded.btf)
        self.hub = EventHub("dm")

    def bind(self, name="events", map_name="EVENTS", **config):
        document = {"name": name, "map-name": map_name, **config}
        metric = MetricConfig.model_validate(document)
        assert is_events(metric, self.loaded.maps)
        return bind_events(metric, Direction.INGRESS, self.loaded.maps, self.btf)

    def send(self, count):
        self.loaded.program.test_run(FRAME, repeat=count)

    def failures(self):
        return int.from_bytes(self.loaded.maps["COUNTS"].lookup((1).to_bytes(4, "little")), "little")


@pytest.fixture
def load(loader):
    """Load code of a kind, with one event metric unless others are given."""
    with ExitStack() as owned:

        def load_one(kind, **config):
            raw = compile_c(CODE % (KINDS | DECLARED)[kind])
            request = LoadRequest(
                object=raw,
                program="dynmon_ingress",
                program_type=ProgramType.SCHED_CLS,
                file="ingress",
                memory_bytes=1 << 28,
            )
            code = Loaded(owned.enter_context(loader.load(request)))
            code.hub.replace({Direction.INGRESS: [code.bind(**(config or TYPED))]})
            owned.callback(code.hub.close)
            return code

        yield load_one


@pytest.fixture(params=KINDS)
def code(load, request):
    return load(request.param)


def take_all(stream, count):
    """What comes until `count` records did, in a list."""
    ready = threading.Event()
    stream.notify(ready.set)
    items = []
    while sum(isinstance(item, Event) for item in items) < count:
        assert ready.wait(10), f"{len(items)} of {count} came"
        ready.clear()
        while part := stream.take():
            items += part
    return items


def numbers(items):
    return [item.value["number"] for item in items if isinstance(item, Event)]


def lost(items):
    return sum(item.count for item in items if isinstance(item, Lost))


def test_every_record_comes_once_and_in_order(code):
    """As many as there were packets, decoded by their type."""
    with code.hub.listen() as stream:
        code.send(SENT)
        items = take_all(stream, SENT)

    first = items[0]
    assert list(range(1, SENT + 1)) == numbers(items) == [item.number for item in items]
    assert {"number": 1, "length": 60, "port": 0x1234, "mac": [0] * 6} == first.value
    assert "" == first.note
    assert 0 == code.failures()


def test_each_of_two_listeners_hears_everything(code):
    """There is one consumer, and nobody takes anything from anybody."""
    with code.hub.listen() as one, code.hub.listen() as other:
        code.send(SENT)

        assert list(range(1, SENT + 1)) == numbers(take_all(one, SENT)) == numbers(take_all(other, SENT))


def test_two_metrics_of_one_map_both_have_its_records(load):
    """One map, two types: each metric decodes for itself."""
    code = load("ringbuf")
    code.hub.replace({Direction.INGRESS: [code.bind(**TYPED), code.bind("raw")]})
    with code.hub.listen() as stream:
        code.send(1)
        items = take_all(stream, 2)

    assert ["events", "raw"] == [item.metric.name for item in items]
    assert items[1].record.data.hex() == items[1].value


def test_who_does_not_take_loses_the_oldest_and_knows_how_many(code):
    """The other listener has all of them."""
    surplus = 700
    with code.hub.listen() as idle, code.hub.listen() as busy:
        for _ in range(QUEUE_RECORDS // 512):
            code.send(512)
            assert 512 == len(numbers(take_all(busy, 512)))
        code.send(surplus)
        take_all(busy, surplus)
        items = take_all(idle, QUEUE_RECORDS)

    assert isinstance(items[0], Lost)
    assert surplus == lost(items)
    assert list(range(surplus + 1, surplus + QUEUE_RECORDS + 1)) == numbers(items)
    assert surplus + 1 == items[1].number, "lost records have numbers too"


def test_a_queue_has_an_end_in_bytes(load):
    """Long records must not fill the memory."""
    code = load("ringbuf")
    with code.hub.listen() as stream:
        metric = stream.metrics[0]
        big = Record(0, None, bytes(QUEUE_BYTES // 4))
        stream.put(metric, [big] * 6, 0)

        assert 2 == lost(stream.take(1))


def test_what_the_kernel_lost_is_counted(load):
    """While the consumer is held up, more packets come than its buffers take: what came and what was lost is all."""
    code = load("perf")
    gate = threading.Event()
    gate.set()
    sent, heard, dropped = 20_001, 1, 0
    with code.hub.listen() as stream:
        stream.notify(lambda: gate.wait() and None)
        gate.clear()
        code.send(1)
        eventually(lambda: numbers(stream.take()), [1])
        code.send(sent - 1)
        gate.set()

        def all_told():
            nonlocal sent, heard, dropped
            items = stream.take(QUEUE_RECORDS)
            heard, dropped = heard + len(numbers(items)), dropped + lost(items)
            if heard + dropped < sent:  # the kernel tells of its losses with the next record
                code.send(1)
                sent += 1
            return heard + dropped == sent

        eventually(all_told, True)

    assert 0 < code.failures() <= dropped


def test_a_ring_buffer_keeps_what_comes_before_the_first_listener(load):
    """A perf event array does not: nobody has made its buffers."""
    for kind, expected in (("ringbuf", [1, 2, 3, 4]), ("perf", [4])):
        code = load(kind)
        code.send(3)
        with code.hub.listen() as stream:
            code.send(1)
            assert expected == numbers(take_all(stream, len(expected)))


def test_nothing_stays_open_when_the_last_listener_leaves(code):
    """No descriptor and no thread."""
    before = open_descriptors(), threading.active_count()
    for _ in range(3):
        with code.hub.listen() as one, code.hub.listen():
            code.send(1)
            take_all(one, 1)
            one.close()

    assert before == (open_descriptors(), threading.active_count())


def test_other_code_ends_the_stream_behind_the_last_record(code):
    """All that was sent comes first, then the reason."""
    with code.hub.listen() as one, code.hub.listen() as other:
        code.send(SENT)
        code.hub.replace({Direction.INGRESS: []})

        for stream in (one, other):
            items = take_all(stream, SENT)
            assert list(range(1, SENT + 1)) == numbers(items)
            assert [End(REPLACED)] == items[SENT:]


def test_code_that_keeps_its_maps_keeps_its_listeners(code):
    """As when it is loaded once more for another log level."""
    with code.hub.listen() as stream:
        code.hub.replace({Direction.INGRESS: [code.bind(**TYPED)], Direction.EGRESS: []})
        code.send(3)

        assert [1, 2, 3] == numbers(take_all(stream, 3))


def test_a_deleted_cube_ends_the_stream(code):
    """And closing it afterwards is harmless."""
    stream = code.hub.listen()
    code.hub.close()
    assert [End(DELETED)] == stream.take()
    stream.close()


def test_records_that_are_shorter_than_their_type_are_shown_as_they_are(load):
    """Longer ones by their head."""
    code = load("ringbuf", type="u8[64]")
    other = code.bind(type="u16")
    with code.hub.listen() as stream:
        code.send(1)
        [event] = take_all(stream, 1)

    data = event.record.data
    assert (data.hex(), f"the record has {len(data)} bytes, u8[64] has 64") == (event.value, event.note)
    assert [(1, "")] == list(other.decode([data]))


def test_records_without_a_type_are_bytes(load):
    """Two digits each; a perf buffer has filled the record up."""
    for kind in KINDS:
        code = load(kind, name="events")
        with code.hub.listen() as stream:
            code.send(1)
            [event] = take_all(stream, 1)
        assert re.match(r"01000000000000003c0000003412", event.value)


@pytest.mark.parametrize("kind", DECLARED)
def test_records_have_the_type_that_their_map_is_declared_with(load, kind):
    """Nothing has to be said in the configuration."""
    code = load(kind, name="events")
    with code.hub.listen() as stream:
        code.send(2)
        items = take_all(stream, 2)

    assert [1, 2] == numbers(items)
    assert {"number": 2, "length": 60, "port": 0x1234, "mac": [0] * 6} == items[1].value


def test_a_listener_names_what_is_there(code):
    """Or is told what that is."""
    with pytest.raises(EventMetricNotFound, match="has no event metric 'x'; it has: events"):
        code.hub.listen(None, ["x"])
    with pytest.raises(NoEventMetrics, match="has no egress event metrics"):
        code.hub.listen(Direction.EGRESS)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"type": "struct evnt"}, "the code has no such type; it has struct .*event.* such as struct evnt .event_type"),
        ({"type": "u128[3"}, "it is not the name of a type"),
        ({"extraction-options": {"swap-on-read": True}}, "swap-on-read is not for it"),
        ({"extraction-options": {"empty-on-read": True}}, "empty-on-read is not for it"),
        ({"merge": "sum"}, "merge is not for it"),
        ({"key-type": "u32"}, "its records have no keys"),
        (
            {"open-metrics-metadata": {"help": "h", "type": "counter"}},
            "its records are events, not numbers; count them in a map",
        ),
        ({"name": "lost"}, "a stream has events of its own called 'lost'"),
    ],
)
def test_what_only_values_have_is_refused(code, config, reason):
    """With a sentence about the metric."""
    with pytest.raises(UnreadableMap, match=f"map 'EVENTS' of the ingress code cannot be read: .*{reason}"):
        code.bind(**config)


def test_a_read_of_its_value_says_where_the_events_are(code):
    """There is none, and the description says the same."""
    metric = code.bind(**TYPED)
    reading, described = metric.reading(), metric.describe()

    assert ("events", None, EVENTS) == (reading.name, reading.value, reading.note)
    assert (EVENTS, "event.number") == (described.left_out, described.value[0].path)
