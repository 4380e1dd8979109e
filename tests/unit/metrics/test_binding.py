"""Every type of map can be read, is a source of events, or has a reason why not."""

import pytest

from dynmon.bpf import MapType
from dynmon.metrics.extraction import READERS
from dynmon.metrics.refusals import EVENTS, READABLE, UNREADABLE
from dynmon.metrics.shapes import SHAPES


@pytest.mark.parametrize("map_type", MapType)
def test_a_map_is_readable_or_says_why_not(map_type):
    assert (map_type in READABLE) != (map_type in UNREADABLE)
    assert (map_type in READABLE) == (map_type in SHAPES)


def test_maps_with_events_say_where_they_are():
    assert [MapType.PERF_EVENT_ARRAY, MapType.RINGBUF] == [each for each in MapType if UNREADABLE.get(each) == EVENTS]


def test_maps_of_maps_are_the_only_ones_read_in_another_way():
    assert [MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS] == sorted(set(READABLE) - set(READERS))
