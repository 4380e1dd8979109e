"""Programs for prog arrays are found among the entries of a configuration."""

import pytest

from dynmon.bpf import DeclaredMap, MapType
from dynmon.dataplane.initial_entries import InvalidEntry, tail_calls_of
from dynmon.models import Direction


def declared(name, map_type):
    return DeclaredMap(name, map_type, 4, 4, 4, 0, is_pinned=False, tags=(), programs=())


MAPS = [declared("JUMPS", MapType.PROG_ARRAY), declared("FLOWS", MapType.HASH)]


def test_programs_by_index_as_pairs_or_in_order():
    entries = {"JUMPS": ["first", "second", {"key": 3, "value": "last"}], "FLOWS": [{"key": 1, "value": 2}]}

    assert {"JUMPS": {0: "first", 1: "second", 3: "last"}} == tail_calls_of(entries, MAPS, Direction.INGRESS)


def test_entries_of_no_prog_array_are_no_tail_calls():
    assert {} == tail_calls_of({"FLOWS": ["x"], "OTHER": ["y"]}, MAPS, Direction.INGRESS)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"key": 4, "value": "x"}, "JUMPS[0].key: expected an index from 0 to 3, not 4"),
        ({"key": "0", "value": "x"}, 'JUMPS[0]: expected {"key": index, "value": "name of a program"}'),
        ({"key": 0, "value": 7}, 'JUMPS[0]: expected {"key": index, "value": "name of a program"}'),
        (7, 'JUMPS[0]: expected {"key": index, "value": "name of a program"}'),
    ],
)
def test_what_is_no_program_is_refused_with_its_place(item, message):
    with pytest.raises(InvalidEntry) as refusal:
        tail_calls_of({"JUMPS": [item]}, MAPS, Direction.EGRESS)

    assert f"egress-path.initial-entries.{message}" == str(refusal.value)
    assert refusal.value.fields()["path"] in str(refusal.value)
