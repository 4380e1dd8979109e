"""Records that programs put into a ring buffer."""

import select

import pytest

from dynmon.bpf import RingBuffer

WRITER = """
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } records SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 2); __type(key, __u32); __type(value, __u64); }
state SEC(".maps");

SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	__u32 number = 0, lost = 1;
	__u64 *next = bpf_map_lookup_elem(&state, &number);
	__u64 *failures = bpf_map_lookup_elem(&state, &lost);

	if (!next || !failures)
		return 0;
	*next += 1;
	if (*next % 5 == 0) {
		void *record = bpf_ringbuf_reserve(&records, 24, 0);

		if (record)
			bpf_ringbuf_discard(record, 0);
		return 0;
	}
	if (bpf_ringbuf_output(&records, next, 8, 0))
		*failures += 1;
	return 0;
}
"""
FRAME = bytes(60)

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def ring():
    with RingBuffer.create(100_000, "log") as buffer:
        yield buffer


@pytest.fixture
def writer(load, ring):
    return load(WRITER, reuse={"records": ring.fd})


def drain(ring, limit=1_000_000):
    records = []
    count = ring.drain(records.append, limit)
    assert count == len(records)
    return [int.from_bytes(record, "little") for record in records]


def readable(ring):
    return bool(select.select([ring.fd], [], [], 0)[0])


def test_records_come_in_order_and_once(ring, writer):
    """Those that a program discarded are left out."""
    writer.program.test_run(FRAME, repeat=23)

    assert [number for number in range(1, 24) if number % 5] == drain(ring)
    assert [] == drain(ring)


def test_the_descriptor_polls_readable_while_records_wait(ring, writer):
    """So that an event loop can wait for it."""
    assert not readable(ring)
    writer.program.test_run(FRAME)
    assert readable(ring)
    drain(ring)
    assert not readable(ring)


def test_a_limit_leaves_the_rest_for_the_next_time(ring, writer):
    """A flood of records cannot hold its reader."""
    writer.program.test_run(FRAME, repeat=9)

    assert [1, 2, 3] == drain(ring, 3)
    assert [4, 6] == drain(ring, 2)
    assert [] == drain(ring, 0)
    assert [7, 8, 9] == drain(ring)


def test_a_full_buffer_loses_the_newest_and_goes_on(ring, writer):
    """What fits is read whole; after draining there is room again."""
    writer.program.test_run(FRAME, repeat=20_000)
    first = drain(ring)
    lost = int.from_bytes(writer.maps["state"].lookup((1).to_bytes(4, "little")), "little")
    writer.program.test_run(FRAME)

    assert lost
    assert first[:4] == [1, 2, 3, 4]
    assert [20_001] == drain(ring)


def test_an_error_in_the_callback_reaches_the_caller(ring, writer):
    """The record it was given counts as read."""
    writer.program.test_run(FRAME, repeat=3)

    def fail(record):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ring.drain(fail, 10)
    assert [2, 3] == drain(ring)


def test_it_can_be_closed_twice():
    """And reading then finds nothing."""
    ring = RingBuffer.create(1, "log")
    ring.close()
    ring.close()

    assert [] == drain(ring)
