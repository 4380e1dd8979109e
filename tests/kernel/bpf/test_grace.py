"""A grace period ends when every program has ended that ran before it began."""

import threading
from contextlib import nullcontext

import pytest

from dynmon.bpf import GracePeriod, ProgramType, attach_tc, attach_xdp
from dynmon.models import Direction
from tests.support import wait_until

STARTED, ENDED = (index.to_bytes(4, "little") for index in range(2))
WORK_NS = 300_000_000
ATTEMPTS = 20
FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)

# The clock, not a number of steps, says when it ends: it works as long on every machine.
SLOW = """
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} moments SEC(".maps");

static void set(__u32 key)
{
	__u64 *moment = bpf_map_lookup_elem(&moments, &key);

	if (moment)
		__sync_lock_test_and_set(moment, bpf_ktime_get_ns());
}

static long has_worked(__u32 step, __u64 *end)
{
	return bpf_ktime_get_ns() >= *end;
}

static long again(__u32 step, __u64 *end)
{
	bpf_loop(1 << 23, has_worked, end, 0);
	return bpf_ktime_get_ns() >= *end;
}

SEC("%s") int dynmon_ingress(void *ctx)
{
	__u64 end = bpf_ktime_get_ns() + %d;

	set(0);
	bpf_loop(64, again, &end, 0);
	set(1);
	return %s;
}
"""


class Slow:
    """A program that says when it begins and when it ends, long after."""

    def __init__(self, load, kind):
        verdict = {"tc": "TC_ACT_UNSPEC", "xdp": "XDP_PASS"}[kind]
        program_type = {"tc": ProgramType.SCHED_CLS, "xdp": ProgramType.XDP}[kind]
        loaded = load(SLOW % (kind, WORK_NS, verdict), program_type=program_type)
        self.program = loaded.program
        self._moments = loaded.maps["moments"]

    def moment(self, which):
        """When that was, in nanoseconds; zero before."""
        return int.from_bytes(self._moments.lookup(which), "little")

    def check_that_somebody_waits(self, grace, start):
        """The program that `start` starts in another thread has ended when the wait has.

        On a busy machine the program may be over before this thread runs again: then it is another one's turn.
        """
        for _ in range(ATTEMPTS):
            if self._is_waited_for(grace, start):
                return
        pytest.fail(f"{ATTEMPTS} programs were over before they could be waited for")

    def _is_waited_for(self, grace, start):
        for which in (STARTED, ENDED):
            self._moments.update(which, bytes(8))
        thread = threading.Thread(target=start)
        thread.start()
        try:
            wait_until(lambda: self.moment(STARTED), "the program to start")
            if self.moment(ENDED):
                return False
            grace.wait()
            ended = self.moment(ENDED)
        finally:
            thread.join()
        assert ended - self.moment(STARTED) >= WORK_NS
        return True


@pytest.fixture
def grace():
    with GracePeriod() as period:
        yield period


def by_test_run(slow, veth, index):
    return nullcontext(), lambda: slow.program.test_run(FRAME)


def at_tc_egress(slow, veth, index):
    link = attach_tc(slow.program, index, Direction.EGRESS, interface_name=veth.host)
    return link, lambda: veth.send_out(FRAME)


def at_tc_ingress(slow, veth, index):
    link = attach_tc(slow.program, index, Direction.INGRESS, interface_name=veth.host)
    return link, lambda: veth.send_in(FRAME)


def at_xdp_skb(slow, veth, index):
    return attach_xdp(slow.program, index, "skb", interface_name=veth.host), lambda: veth.send_in(FRAME)


def at_xdp_drv(slow, veth, index):
    return attach_xdp(slow.program, index, "drv", interface_name=veth.host), lambda: veth.send_in(FRAME)


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("tc", by_test_run),
        ("xdp", by_test_run),
        ("tc", at_tc_egress),
        ("tc", at_tc_ingress),
        ("xdp", at_xdp_skb),
        ("xdp", at_xdp_drv),
    ],
)
def test_who_waits_sees_what_a_running_program_does_last(load, veth, index, grace, kind, way):
    """Wherever the program runs: the wait is over only after it."""
    slow = Slow(load, kind)
    attached, start = way(slow, veth, index)
    with attached:
        slow.check_that_somebody_waits(grace, start)


def test_all_who_wait_at_once_wait_long_enough(load, grace):
    """One map of maps serves any number of threads."""
    slow = Slow(load, "tc")
    seen = []

    def wait():
        wait_until(lambda: slow.moment(STARTED), "the program to start")
        grace.wait()
        seen.append(slow.moment(ENDED))

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    slow.program.test_run(FRAME)
    for thread in threads:
        thread.join()

    assert [slow.moment(ENDED)] * 8 == seen


def test_without_a_program_it_ends(grace):
    """There is always an end, and every call has one of its own."""
    for _ in range(10):
        grace.wait()


def test_nothing_is_left_of_it(no_leaks):
    """Closing lets go of both maps; twice is harmless."""
    grace = GracePeriod()
    grace.wait()
    grace.close()
    grace.close()
