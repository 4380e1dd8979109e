"""Maps whose contents go on when code takes over."""

import pytest

from dynmon.cubes.errors import TokenForgotten
from tests.kernel.cubes.test_reads import COUNTER, COUNTING, EMPTY, SWAP, code, metric, path, samples

TWO = "BPF_ARRAY(COUNTS, u64, 1); BPF_ARRAY(BYTES, u64, 1);"
BOTH = """u32 key = 0; u64 *n = COUNTS.lookup(&key), *b = BYTES.lookup(&key);
if (n) __sync_fetch_and_add(n, 1); if (b) __sync_fetch_and_add(b, md->packet_len);"""
KEEP = {"keep-maps": True}


def test_without_a_word_code_starts_from_empty_maps(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS")))
    monitor.send(3)

    assert {} == monitor.inject(ingress=path(COUNTING, metric("packets", "COUNTS")))
    assert [0] == monitor.value("packets")


@pytest.mark.parametrize("before", [{}, EMPTY, SWAP], ids=["plain", "empty", "swap"])
@pytest.mark.parametrize("after", [{}, EMPTY, SWAP], ids=["plain", "empty", "swap"])
def test_what_was_counted_and_what_was_drained_goes_on(bench, before, after):
    """Whatever the options are before and after: three packets seen by nobody, and two that somebody read."""
    monitor = bench(
        ingress=path(COUNTING, metric("packets_total", "COUNTS", before, **{"open-metrics-metadata": COUNTER}))
    )
    monitor.send(2)
    assert [2] == monitor.value("packets_total")
    monitor.send(3)

    kept = monitor.inject(
        ingress=path(COUNTING, metric("packets_total", "COUNTS", after, **{"open-metrics-metadata": COUNTER}), **KEEP)
    )
    monitor.send(4)

    assert {"ingress-path": {"kept": ["COUNTS"], "not-kept": []}} == kept
    assert {"packets_total": 9} == samples(monitor.cube)
    emptied_before, emptied_after = before == EMPTY, after == EMPTY
    assert [7 if emptied_before and emptied_after else 9] == monitor.value("packets_total")


def test_tokens_go_on_with_the_map(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    token = monitor.reading("packets", since="").since
    monitor.send(2)
    monitor.inject(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY), **KEEP))
    monitor.send(3)

    assert [5] == monitor.value("packets", since=token)


def test_only_the_maps_that_are_named(bench):
    monitor = bench(ingress=path(code(TWO, BOTH), metric("packets", "COUNTS"), metric("bytes", "BYTES")))
    monitor.send(2, size=60)
    new = path(code(TWO, BOTH), metric("packets", "COUNTS"), metric("bytes", "BYTES"), **{"keep-maps": ["BYTES"]})

    assert {"ingress-path": {"kept": ["BYTES"], "not-kept": []}} == monitor.inject(ingress=new)
    assert ([0], [120]) == (monitor.value("packets"), monitor.value("bytes"))


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ("BPF_ARRAY(COUNTS, u64, 2);", "it has 2 entries, not 1"),
        ("BPF_ARRAY(COUNTS, u32, 1);", "it has 4 bytes in a value, not 8"),
        ("BPF_PERCPU_ARRAY(COUNTS, u64, 1);", "it is of type percpu_array, not array"),
        ('BPF_F_TABLE("array", u32, u64, COUNTS, 1, BPF_F_MMAPABLE);', "its flags are 0x400, not 0x0"),
        ("struct pair { u32 low, high; }; BPF_ARRAY(COUNTS, struct pair, 1);", "in its value, it is a struct"),
        ("BPF_ARRAY(OTHERS, u64, 1);", "the new code does not declare it"),
    ],
)
def test_a_map_that_changed_starts_empty_and_the_answer_says_why(bench, declaration, reason):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS")))
    monitor.send(2)
    name = "OTHERS" if "OTHERS" in declaration else "COUNTS"
    body = f"u32 key = 0; void *n = {name}.lookup(&key); if (!n) return RX_OK;"
    answer = monitor.inject(ingress=path(code(declaration, body), metric("packets", name), **KEEP))["ingress-path"]

    assert [] == answer["kept"]
    [found] = [each["reason"] for each in answer["not-kept"] if each["map"] == "COUNTS"]
    assert found.startswith(reason)


def test_a_name_that_no_code_has_is_answered_with_the_reason(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS")))
    new = path(COUNTING, metric("packets", "COUNTS"), **{"keep-maps": ["COUNT"]})

    expected = {"kept": [], "not-kept": [{"map": "COUNT", "reason": "the code that runs does not have it"}]}
    assert {"ingress-path": expected} == monitor.inject(ingress=new)


def test_global_variables_are_kept(bench):
    source = code("u64 packets;", "__sync_fetch_and_add(&packets, 1);")
    variable = {"name": "packets", "variable": "packets", "extraction-options": EMPTY}
    monitor = bench(ingress=path(source, variable))
    monitor.send(2)
    answer = monitor.inject(ingress=path(source, variable, **KEEP))
    monitor.send(3)

    assert {"ingress-path": {"kept": [".bss"], "not-kept": []}} == answer
    assert [5] == monitor.value("packets")


def test_a_refused_injection_keeps_everything_as_it_was(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    monitor.send(2)
    with pytest.raises(Exception, match="'NOWHERE' is not declared"):
        monitor.inject(ingress=path(COUNTING, metric("packets", "NOWHERE"), **KEEP))
    monitor.send(1)

    assert [3] == monitor.value("packets")


def test_the_log_level_changes_without_losing_a_count(bench):
    from dynmon.models import LogLevel

    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    for level in (LogLevel.TRACE, LogLevel.OFF):
        monitor.send(2)
        assert [2] == monitor.value("packets")
        monitor.send(1)
        monitor.cube.set_loglevel(level)
        monitor.send(4)
        assert [5] == monitor.value("packets")


def test_windows_go_on_where_the_map_swaps_no_more(bench):
    """What is in the running map counts from then on, beside what was drained before."""
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", SWAP)))
    monitor.send(2)
    assert [2] == monitor.value("packets")
    monitor.inject(ingress=path(COUNTING, metric("packets", "COUNTS"), **KEEP))
    monitor.send(3)
    begin = monitor.reading("packets", since="")
    monitor.send(4)

    assert [5] == begin.value
    assert [4] == monitor.value("packets", since=begin.since)


def test_what_was_observed_before_the_map_swapped_is_forgotten(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS")))
    monitor.send(9)
    token = monitor.reading("packets", since="").since
    for options, count in ((SWAP, 3), ({}, 1)):
        monitor.inject(ingress=path(COUNTING, metric("packets", "COUNTS", options), **KEEP))
        monitor.send(count)
        monitor.value("packets")

    with pytest.raises(TokenForgotten):
        monitor.value("packets", since=token)
    begin = monitor.reading("packets", since="")
    monitor.send(2)
    assert ([13], [2]) == (begin.value, monitor.value("packets", since=begin.since))


def test_a_counter_that_begins_with_new_code_does_not_fall_when_somebody_reads(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets_total", "COUNTS", EMPTY)))
    monitor.send(2)
    assert [2] == monitor.value("packets_total")
    exported = metric("packets_total", "COUNTS", EMPTY, **{"open-metrics-metadata": COUNTER})
    monitor.inject(ingress=path(COUNTING, exported, **KEEP))
    monitor.send(3)
    assert [3] == monitor.value("packets_total")

    assert {"packets_total": 3} == samples(monitor.cube)


def test_the_unread_window_stays_when_a_metric_begins_to_be_exported(bench):
    everything = metric("all", "COUNTS")
    monitor = bench(ingress=path(COUNTING, metric("packets_total", "COUNTS", EMPTY), everything))
    monitor.send(2)
    assert [2] == monitor.value("packets_total")
    monitor.send(3)
    exported = metric("packets_total", "COUNTS", EMPTY, **{"open-metrics-metadata": COUNTER})
    monitor.inject(ingress=path(COUNTING, exported, everything, **KEEP))
    monitor.send(4)

    assert [7] == monitor.value("packets_total")
    assert [9] == monitor.value("all")


def test_a_new_metric_of_a_kept_map_begins_with_all_that_is_known(bench):
    everything = metric("all", "COUNTS", SWAP)
    monitor = bench(ingress=path(COUNTING, everything))
    monitor.send(2)
    monitor.value("all")
    monitor.send(3)
    monitor.inject(ingress=path(COUNTING, everything, metric("window", "COUNTS", EMPTY), **KEEP))

    assert [[5], [0]] == [monitor.value("window") for _ in range(2)]


def test_a_map_that_was_drained_as_another_type_is_not_kept(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", SWAP)))
    monitor.send(2)
    monitor.value("packets")
    answer = monitor.inject(ingress=path(COUNTING, metric("packets", "COUNTS", SWAP, type="s64"), **KEEP))

    [refused] = answer["ingress-path"]["not-kept"]
    assert refused == {"map": "COUNTS", "reason": "its values are merged in another way, or of another type now"}
    assert [0] == monitor.value("packets")
