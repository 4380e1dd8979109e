"""Maps that swap are made twice, and both count."""

from dataclasses import replace

import pytest

from dynmon.bpf import LoadError
from dynmon.models import LogLevel
from dynmon.settings import MapLimits
from tests.kernel.cubes.test_reads import COUNT, EMPTY, SWAP, code, metric, path

LARGE = code("BPF_ARRAY(COUNTS, u64, 768 * 1024);", COUNT)  # 6 MiB


@pytest.fixture
def monitor(bench):
    """A cube that may take 10 MiB."""
    monitor = bench(ingress=path(code("", "")))
    monitor.cube._foundry = replace(monitor.cube._foundry, map_limits=MapLimits(total_bytes=10 << 20))
    return monitor


def test_a_path_whose_copies_would_take_too_much_is_refused_and_says_that_they_are_made_twice(monitor):
    monitor.inject(ingress=path(LARGE, metric("packets", "COUNTS")))
    monitor.send(2)
    with pytest.raises(
        LoadError, match="12 MiB of kernel memory, 10 MiB are allowed: maps that swap, COUNTS, are made "
    ):
        monitor.inject(ingress=path(LARGE, metric("packets", "COUNTS", SWAP)))

    assert 2 == monitor.reading("packets").entries.values.sum()


def test_copies_that_are_there_already_are_not_counted_again(monitor):
    monitor.inject(ingress=path(LARGE.replace("768", "512"), metric("packets", "COUNTS", EMPTY)))
    monitor.send(2)
    monitor.cube.set_loglevel(LogLevel.TRACE)
    monitor.send(1)

    assert 3 == monitor.reading("packets").entries.values.sum()
