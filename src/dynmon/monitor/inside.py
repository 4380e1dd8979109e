"""What a library needs of a cube and a daemon does not: rows instead of JSON, and to forget it in a forked child."""

from __future__ import annotations

import os

from dynmon.bpf import BpfLink
from dynmon.cubes import DynmonCube, MetricNotFound
from dynmon.metrics.readings import entries_of
from dynmon.models import Direction
from dynmon.monitor.tables import Column, table


def read_rows(cube: DynmonCube, direction: Direction, name: str) -> Column:
    """What the metric's map holds; queues, stacks and what says ``empty-on-read`` are empty afterwards.

    Raises:
        MetricNotFound: The path has no metric called `name`.
        KernelError: The kernel refused the read.
    """
    with cube._state:
        for metric in cube._metrics[direction]:
            if metric.config.name == name:
                entries = entries_of(metric, drain=True)
                assert entries is not None, "a read that may drain always gives entries"
                return table(metric, entries)
    raise MetricNotFound(cube.name, direction, name, cube.metric_names(direction))


def forget(cube: DynmonCube) -> None:
    """In a forked child: close the descriptors. Nothing is detached, which the parent alone may do.

    No lock is taken: a thread that held one is not in the child and will not give it back.
    """
    for direction in Direction:
        link = cube._dataplane.link(direction)
        if isinstance(link, BpfLink) and link.fd >= 0:
            os.close(link.fd)
            link.fd = -1
    for path in cube._dataplane.paths.values():
        path.close()
