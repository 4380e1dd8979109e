"""Which maps are inside of a map of maps, by the numbers that the kernel knows them by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dynmon.bpf import BpfMap, MapType
from dynmon.btf import Rows
from dynmon.metrics.value_types import MAP_ID_SIZE

STEPS_PER_ENTRY = 4  # of an iteration that is thrown back to the start by deletions


def read_numbers(bpf_map: BpfMap) -> tuple[Rows, Rows]:
    """The keys and the numbers behind them; an array has all its places, with zero in those that are empty.

    Not by batch: where a place is empty, kernels before 6.2 give up with EINTR.

    Raises:
        KernelError: The kernel refused the read.
    """
    info = bpf_map.info
    if info.map_type is MapType.ARRAY_OF_MAPS:
        keys: Sequence[bytes] = [place.to_bytes(info.key_size, "little") for place in range(info.max_entries)]
        numbers = [bpf_map.lookup(key) or bytes(MAP_ID_SIZE) for key in keys]
    else:
        found = {key: number for key in _keys(bpf_map) if (number := bpf_map.lookup(key)) is not None}
        keys, numbers = list(found), list(found.values())
    return _rows(keys, info.key_size), _rows(numbers, MAP_ID_SIZE)


def _keys(bpf_map: BpfMap) -> Iterator[bytes]:
    """The keys of a hash, some of them again where keys went meanwhile, but not for ever."""
    key = bpf_map.next_key(None)
    for _ in range(STEPS_PER_ENTRY * bpf_map.info.max_entries):
        if key is None:
            return
        yield key
        key = bpf_map.next_key(key)


def _rows(values: Sequence[bytes], size: int) -> Rows:
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), size)
