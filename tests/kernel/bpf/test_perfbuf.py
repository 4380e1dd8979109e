"""Records that programs put into a perf event array."""

import os
import select

import pytest

from dynmon.bpf import BpfMap, PerfBuffer

WRITER = """
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); }
records SEC(".maps");
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
	if (bpf_perf_event_output(ctx, &records, BPF_F_CURRENT_CPU, next, 8))
		*failures += 1;
	return 0;
}
"""
FRAME = bytes(60)
SENT = 1000
PADDED = 12  # eight bytes, four more, and they are a multiple of eight with the four of the length

pytestmark = pytest.mark.usefixtures("no_leaks", "one_cpu")


@pytest.fixture
def one_cpu():
    """Each CPU has a buffer of its own: records of one are in order."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield min(before)
    os.sched_setaffinity(0, before)


@pytest.fixture
def writer(load):
    return load(WRITER)


def reader(writer, pages):
    return PerfBuffer(BpfMap.from_fd(os.dup(writer.maps["records"].fd)), pages)


def drain(buffer):
    """The numbers in the records, their CPUs and sizes, and how many were lost."""
    records, lost = [], []
    buffer.drain(lambda cpu, record: records.append((cpu, record)), lambda cpu, count: lost.append(count))
    numbers = [int.from_bytes(record[:8], "little") for _, record in records]
    return numbers, {cpu for cpu, _ in records}, {len(record) for _, record in records}, sum(lost)


def failures(writer):
    return int.from_bytes(writer.maps["state"].lookup((1).to_bytes(4, "little")), "little")


def test_records_come_in_order_and_once(writer, one_cpu):
    """As many as there were packets, from the CPU they were handled on."""
    with reader(writer, 64) as buffer:
        writer.program.test_run(FRAME, repeat=SENT)

        assert (list(range(1, SENT + 1)), {one_cpu}, {PADDED}, 0) == drain(buffer)
        assert ([], set(), set(), 0) == drain(buffer)


def test_the_descriptor_polls_readable_while_records_wait(writer):
    """So that a thread can wait for it."""
    with reader(writer, 1) as buffer:
        assert not select.select([buffer.fd], [], [], 0)[0]
        writer.program.test_run(FRAME)
        assert select.select([buffer.fd], [], [], 0)[0]
        drain(buffer)
        assert not select.select([buffer.fd], [], [], 0)[0]


def test_what_finds_no_room_is_counted(writer):
    """The kernel says how many are missing once there is room again: what came and what was lost is what was sent."""
    with reader(writer, 1) as buffer:
        writer.program.test_run(FRAME, repeat=SENT)
        before, _, _, lost_before = drain(buffer)
        writer.program.test_run(FRAME)
        after, _, _, lost = drain(buffer)

        assert list(range(1, len(before) + 1)) == before
        assert [SENT + 1] == after
        assert 0 == lost_before
        assert SENT - len(before) == lost == failures(writer)


def test_an_exception_of_the_receiver_comes_out_of_drain(writer):
    """It passes the C code in between."""

    def refuse(cpu, record):
        raise LookupError(cpu)

    with reader(writer, 1) as buffer:
        writer.program.test_run(FRAME)
        with pytest.raises(LookupError):
            buffer.drain(refuse, lambda cpu, count: None)


def test_nobody_reads_after_close(writer):
    """Programs get an error, and closing twice is harmless."""
    buffer = reader(writer, 1)
    buffer.close()
    buffer.close()
    writer.program.test_run(FRAME, repeat=3)

    assert 3 == failures(writer)
    buffer.drain(lambda cpu, record: None, lambda cpu, count: None)
