"""A ledger gives each reader what happened since its mark, whatever the others do: compared with a dictionary."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynmon.bpf import MapType, possible_cpus
from dynmon.btf import Integer, Record
from dynmon.btf.plans import Field
from dynmon.metrics.extraction import Entries
from dynmon.metrics.ledger import Ledger
from dynmon.metrics.widening import Widened
from dynmon.models import Merge

U32 = Integer(4, is_signed=False)
VALUE = Record(
    16, tuple(Field(name, 4 * place, U32, "u32") for place, name in enumerate(("packets", "peak", "least", "seen")))
)
WIDENED = Widened.of(VALUE, "", {"peak": Merge.MAX, "least": Merge.MIN, "seen": Merge.LAST})
COUNT = Widened.of(U32, "u32", {})
ARRAY_ENTRIES = 6
EVERYTHING = 1 << 40
HASHES = [MapType.HASH, MapType.LRU_PERCPU_HASH]
ARRAYS = [MapType.ARRAY, MapType.PERCPU_ARRAY]


def key_bytes(key, size):
    return key.to_bytes(4, "little").ljust(size, b"\7")


def ledger_of(map_type, *, widened=WIDENED, keeps_total=True, max_bytes=EVERYTHING, key_size=4):
    return Ledger(
        widened,
        map_type=map_type,
        key_size=key_size,
        max_entries=ARRAY_ENTRIES,
        keeps_total=keeps_total,
        max_bytes=max_bytes,
    )


def entries_of(values, map_type, key_size=4):
    """Raw rows of ``{key: [one value for each slot]}``; a value is a tuple of its fields."""
    keys = b"".join(key_bytes(key, key_size) for key in values)
    rows = b"".join(struct.pack("<4I", *value) for slots in values.values() for value in slots)
    shape = (len(values), possible_cpus(), 16) if map_type.is_per_cpu else (len(values), 16)
    return Entries(
        np.frombuffer(keys, np.uint8).reshape(len(values), key_size), np.frombuffer(rows, np.uint8).reshape(shape)
    )


def counts(numbers, key_size=4):
    """Raw rows of a plain hash of counters."""
    keys = b"".join(key_bytes(key, key_size) for key in numbers)
    values = np.array(list(numbers.values()), "<u4").view(np.uint8)
    return Entries(np.frombuffer(keys, np.uint8).reshape(-1, key_size), values.reshape(-1, 4))


def decoded(entries, widened=WIDENED):
    """Wide rows as ``{key: [one value for each slot]}``."""
    slots = entries.values if entries.values.ndim == 3 else entries.values[:, None]
    found = {
        int.from_bytes(key[:4].tobytes(), "little"): [
            tuple(value.values()) if isinstance(value, dict) else value for value in widened.plan.decode(row)
        ]
        for key, row in zip(entries.keys, slots, strict=True)
    }
    assert len(found) == len(entries)
    return found


def numbers(entries):
    return {key: value for key, (value,) in decoded(entries, COUNT).items()}


def merged(older, newer):
    """What the model makes of two values of one slot."""
    least = min(filter(None, (older[2], newer[2])), default=0)
    return (older[0] + newer[0], max(older[1], newer[1]), least, newer[3])


class Model:
    """The same journal, kept as a list of everything that was ever added."""

    def __init__(self, map_type):
        self.map_type = map_type
        self.added = []

    def since(self, place):
        found = {}
        if self.map_type in ARRAYS:
            found = {index: [(0, 0, 0, 0)] * self.slots for index in range(ARRAY_ENTRIES)}
        for values in self.added[place:]:
            for key, slots in values.items():
                found[key] = self.with_newer(found[key], slots) if key in found else slots
        return found

    @property
    def slots(self):
        return possible_cpus() if self.map_type.is_per_cpu else 1

    def with_newer(self, older, newer):
        zero_is_untouched = self.map_type is not MapType.HASH
        return [
            old if zero_is_untouched and not any(new) else merged(old, new)
            for old, new in zip(older, newer, strict=True)
        ]


@st.composite
def some_values(draw, map_type):
    slots = possible_cpus() if map_type.is_per_cpu else 1
    number = st.one_of(st.integers(0, 3), st.just((1 << 32) - 1))
    value = st.one_of(st.just((0, 0, 0, 0)), st.tuples(number, number, number, number))
    keys = st.integers(0, ARRAY_ENTRIES - 1)
    return draw(st.dictionaries(keys, st.lists(value, min_size=slots, max_size=slots), max_size=ARRAY_ENTRIES))


@pytest.mark.parametrize("keeps_total", [True, False])
@pytest.mark.parametrize("map_type", HASHES + ARRAYS)
@settings(max_examples=40)
@given(data=st.data())
def test_any_order_of_adds_and_reads_gives_what_a_dictionary_gives(map_type, keeps_total, data):
    key_size = data.draw(st.sampled_from([4, 13, 16])) if map_type in HASHES else 4
    ledger, model = ledger_of(map_type, keeps_total=keeps_total, key_size=key_size), Model(map_type)
    marks = []

    def add():
        values = data.draw(some_values(map_type))
        ledger.add(entries_of(values, map_type, key_size))
        model.added.append(values)

    def mark():
        marks.append((ledger.mark(), len(model.added)))

    def release():
        if marks:
            position, _ = marks.pop(data.draw(st.integers(0, len(marks) - 1)))
            ledger.release(position)

    def window():
        for position, place in marks:
            assert model.since(place) == decoded(ledger.window(position))

    def total():
        if keeps_total:
            assert model.since(0) == decoded(ledger.total())

    def look():
        values = data.draw(some_values(map_type))
        base = ledger.total() if keeps_total else ledger.window(marks[0][0]) if marks else None
        if base is not None:
            expected = Model(map_type)
            expected.added = [*model.added[0 if keeps_total else marks[0][1] :], values]
            assert expected.since(0) == decoded(ledger.with_live(base, entries_of(values, map_type, key_size)))

    steps = {"add": add, "mark": mark, "release": release, "window": window, "total": total, "look": look}
    for step in data.draw(st.lists(st.sampled_from([*steps, "add", "mark"]), max_size=25)):
        steps[step]()
    window()
    total()
    assert 0 == ledger.dropped


@pytest.mark.parametrize("keeps_total", [True, False])
@pytest.mark.parametrize("map_type", HASHES + ARRAYS)
@settings(max_examples=30)
@given(data=st.data())
def test_two_that_become_one_have_what_both_had_before_and_behind_their_marks(map_type, keeps_total, data):
    seen, unseen = Model(map_type), Model(map_type)
    ledgers, marks = [], []
    for _ in range(2):
        ledger = ledger_of(map_type, keeps_total=keeps_total)
        for model, is_marked in ((seen, True), (unseen, False)):
            for _ in range(data.draw(st.integers(0, 3))):
                values = data.draw(some_values(map_type))
                ledger.add(entries_of(values, map_type))
                model.added.append(values)
            if is_marked:
                marks.append(ledger.mark())
        ledgers.append(ledger)
    joined, mark = ledgers[0].joined(marks[0], ledgers[1], marks[1])
    more = data.draw(some_values(map_type))
    joined.add(entries_of(more, map_type))
    unseen.added.append(more)

    assert unseen.since(0) == decoded(joined.window(mark))
    if keeps_total:
        both = Model(map_type)
        both.added = seen.added + unseen.added
        assert both.since(0) == decoded(joined.total())
    with pytest.raises(KeyError):
        joined.release(mark + 1)
    joined.release(mark)


def test_a_window_of_nothing_is_empty_and_that_of_an_array_is_zero():
    hashed, array = ledger_of(MapType.PERCPU_HASH), ledger_of(MapType.ARRAY)

    empty, zero = hashed.window(hashed.mark()), array.window(array.mark())

    assert ((0, 4), (0, possible_cpus(), 32)) == (empty.keys.shape, empty.values.shape)
    assert {index: [(0, 0, 0, 0)] for index in range(ARRAY_ENTRIES)} == decoded(zero)
    assert list(range(ARRAY_ENTRIES)) == zero.keys.view("<u4")[:, 0].tolist()


def test_marks_at_one_place_are_one_and_released_one_by_one():
    ledger = ledger_of(MapType.HASH, widened=COUNT, keeps_total=False)
    first, second = ledger.mark(), ledger.mark()
    ledger.add(counts({1: 5}))

    ledger.release(first)
    assert {1: 5} == numbers(ledger.window(second))
    ledger.release(second)
    with pytest.raises(KeyError):
        ledger.window(second)
    with pytest.raises(KeyError):
        ledger.release(second)


def test_without_marks_and_total_nothing_is_kept():
    ledger = ledger_of(MapType.HASH, widened=COUNT, keeps_total=False)
    ledger.add(counts({1: 5}))
    mark = ledger.mark()
    ledger.add(counts({2: 6}))

    assert {2: 6} == numbers(ledger.window(mark))


def test_what_a_reader_holds_does_not_change_any_more():
    ledger = ledger_of(MapType.HASH, widened=COUNT)
    ledger.add(counts({1: 5, 2: 6}))
    total = ledger.total()
    ledger.add(counts({1: 5, 3: 7}))

    assert {1: 10, 2: 6, 3: 7} == numbers(ledger.total())
    assert {1: 5, 2: 6} == numbers(total)


@pytest.mark.parametrize("key_size", [4, 16])
def test_thousands_of_parts_are_put_together_on_the_way(key_size):
    ledger = ledger_of(MapType.HASH, widened=COUNT, key_size=key_size)
    for number in range(3000):
        ledger.add(counts({number % 700: 1, 1000 + number: 2}, key_size))

    total = numbers(ledger.total())
    assert {key: 1 + (2999 - key) // 700 for key in range(700)} == {key: total[key] for key in range(700)}
    assert 3700 == len(total)


def test_keys_of_one_hash_stay_apart(monkeypatch):
    """Should two keys ever have one hash, they are still two keys."""
    monkeypatch.setattr("dynmon.metrics.folding.hashes_of", lambda keys: np.zeros(len(keys), np.uint64))
    ledger = ledger_of(MapType.HASH, widened=COUNT, key_size=16)
    for _ in range(3):
        ledger.add(counts({key: key for key in range(500)}, 16))

    assert {key: 3 * key for key in range(500)} == numbers(ledger.total())


@pytest.mark.parametrize("has_marks", [False, True])
def test_new_keys_that_find_no_room_are_counted_and_known_ones_go_on(has_marks):
    row_bytes = 4 + 8 + 8
    ledger = ledger_of(MapType.HASH, widened=COUNT, max_bytes=10 * row_bytes)
    ledger.add(counts(dict.fromkeys(range(8), 1)))
    ledger.total()
    mark = ledger.mark() if has_marks else None
    ledger.add(counts({0: 1, 8: 1}))
    ledger.add(counts({100: 1, 1: 1, 101: 1, 102: 1}))

    total = numbers(ledger.total())

    known = {0: 2, 1: 2, **dict.fromkeys(range(2, 8), 1)}
    assert known == {key: total[key] for key in range(8)}
    assert set(total) - set(known) == (set() if has_marks else {8, 100})
    assert ledger.dropped == (4 if has_marks else 2)
    if mark is not None:
        assert {0: 1, 1: 1} == numbers(ledger.window(mark))


def test_joined_segments_keep_what_was_accepted():
    row_bytes = 4 + 8 + 8
    ledger = ledger_of(MapType.HASH, widened=COUNT, max_bytes=4 * row_bytes)
    for key in range(4):
        mark = ledger.mark()
        ledger.add(counts({key: 1}))
        ledger.window(mark)
        ledger.release(mark)
    ledger.add(counts({9: 1}))

    assert dict.fromkeys(range(4), 1) == numbers(ledger.total())
    assert 1 == ledger.dropped


def test_observing_a_map_adds_what_changed():
    ledger = ledger_of(MapType.HASH, widened=COUNT)
    ledger.observe(counts({1: 10, 2: 20}))
    assert {1: 10, 2: 20} == numbers(ledger.total())

    mark = ledger.mark()
    ledger.observe(counts({1: 10, 2: 25, 3: 0}))
    assert {2: 5, 3: 0} == numbers(ledger.window(mark))

    ledger.observe(counts({1: 4, 3: 0}))  # 1 was set back, 2 is gone
    ledger.observe(counts({2: 3}))
    assert {1: 4, 2: 8, 3: 0} == numbers(ledger.window(mark))
    assert {1: 14, 2: 28, 3: 0} == numbers(ledger.total())


def test_a_counter_that_went_round_its_width_went_on():
    ledger = ledger_of(MapType.ARRAY, widened=COUNT)
    ledger.observe(counts({0: (1 << 32) - 16}))
    mark = ledger.mark()
    ledger.observe(counts({0: 5}))

    assert 21 == numbers(ledger.window(mark))[0]
    assert (1 << 32) + 5 == numbers(ledger.total())[0]


@pytest.mark.parametrize("map_type", ARRAYS)
def test_observing_an_array_that_did_not_change_adds_nothing(map_type):
    slots = possible_cpus() if map_type.is_per_cpu else 1
    values = entries_of({index: [(index, 7, 1, 9)] * slots for index in range(ARRAY_ENTRIES)}, map_type)
    ledger = ledger_of(map_type)
    ledger.observe(values)
    mark = ledger.mark()
    ledger.observe(values)

    assert {index: [(0, 0, 0, 0)] * slots for index in range(ARRAY_ENTRIES)} == decoded(ledger.window(mark))
    assert {index: [(index, 7, 1, 9)] * slots for index in range(ARRAY_ENTRIES)} == decoded(ledger.total())
