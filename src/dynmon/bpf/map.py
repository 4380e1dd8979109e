"""A BPF map behind a descriptor: entries as bytes, and whole maps as rows of numpy arrays."""

from __future__ import annotations

import errno
import os
from ctypes import c_char

import numpy as np
import numpy.typing as npt

from dynmon.bpf import _syscall
from dynmon.bpf.errors import BatchTooSmall
from dynmon.bpf.features import kernel_features
from dynmon.bpf.kinds import MapInfo, MapType
from dynmon.bpf.memory import value_stride
from dynmon.bpf.owner import FdOwner
from dynmon.errors import KernelError, UnsupportedError

Rows = npt.NDArray[np.uint8]

NO_BATCH = (errno.EINVAL, errno.EOPNOTSUPP, _syscall.ENOTSUPP)


class BpfMap(FdOwner):
    """Owns the descriptor of a map.

    All operations raise KernelError when the kernel refuses them, and may be called from several threads.
    """

    def __init__(self, fd: int, info: MapInfo) -> None:
        self.fd = fd
        self.info = info
        self.value_stride = value_stride(info.map_type, info.value_size)

    @classmethod
    def from_fd(cls, fd: int, name: str = "", type_ids: tuple[int, int] | None = None) -> BpfMap:
        """Take over `fd`; `name` replaces the kernel's, which ends after 15 bytes.

        `type_ids` are the BTF types of key and value in the object that uses the map, which for a map of
        another object are not those that the kernel tells.
        """
        facts = _syscall.MapFacts()
        try:
            _syscall.object_info(fd, facts)
        except OSError as error:
            raise KernelError(f"look at map {name!r}", error) from error
        try:
            kind = MapType(facts.type)
        except ValueError as error:
            raise UnsupportedError(f"map {name!r} has the unknown type {facts.type}") from error
        key_type, value_type = type_ids or (facts.key_type_id, facts.value_type_id)
        info = MapInfo(
            name=name or facts.name.decode(errors="replace"),
            map_type=kind,
            key_size=facts.key_size,
            value_size=facts.value_size,
            max_entries=facts.max_entries,
            flags=facts.map_flags,
            key_type_id=key_type,
            value_type_id=value_type,
            id=facts.id,
        )
        return cls(fd, info)

    @classmethod
    def from_id(cls, number: int) -> BpfMap:
        """Open the map that the kernel calls `number`: a map of maps tells its inner maps so.

        Raises:
            KernelError: There is none any more, or this process may not (CAP_SYS_ADMIN).
        """
        try:
            fd = _syscall.map_by_id(number)
        except OSError as error:
            raise KernelError(f"open map #{number}", error) from error
        return cls._owning(fd, "")

    @classmethod
    def create(
        cls,
        map_type: MapType,
        key_size: int,
        value_size: int,
        max_entries: int,
        *,
        name: str,
        flags: int = 0,
        inner: BpfMap | None = None,
    ) -> BpfMap:
        """Make a map that no object declares; a map of maps takes maps like `inner`."""
        try:
            inner_fd = inner.fd if inner else 0
            fd = _syscall.map_create(map_type, key_size, value_size, max_entries, flags, name, inner_fd)
        except OSError as error:
            raise KernelError(f"create map {name!r}", error) from error
        return cls._owning(fd, name)

    @classmethod
    def _owning(cls, fd: int, name: str) -> BpfMap:
        try:
            return cls.from_fd(fd, name)
        except BaseException:
            os.close(fd)
            raise

    def lookup(self, key: bytes) -> bytes | None:
        """The value behind `key`, `value_stride` bytes; None if there is no such entry."""
        return self._read(_syscall.MAP_LOOKUP_ELEM, key)

    def update(self, key: bytes, value: bytes) -> None:
        """Insert or replace an entry; a queue or stack takes an empty key and pushes."""
        self._check_size("key", key, self.info.key_size)
        self._check_size("value", value, self.value_stride)
        self._element(_syscall.MAP_UPDATE_ELEM, key, _syscall.buffer(value))

    def delete(self, key: bytes) -> bool:
        """Remove an entry; False if there was none."""
        self._check_size("key", key, self.info.key_size)
        return self._element(_syscall.MAP_DELETE_ELEM, key, None)

    def next_key(self, key: bytes | None) -> bytes | None:
        """The key behind `key` in the map's own order, or the first; None at the end."""
        if key is not None:
            self._check_size("key", key, self.info.key_size)
        following = (c_char * self.info.key_size)()
        found = self._element(_syscall.MAP_GET_NEXT_KEY, key, following)
        return following.raw if found else None

    def pop(self) -> bytes | None:
        """Take the next value out of a queue or stack; None when it is empty."""
        return self._read(_syscall.MAP_LOOKUP_AND_DELETE_ELEM, b"")

    def peek(self) -> bytes | None:
        """The next value of a queue or stack, which stays there; None when it is empty."""
        return self._read(_syscall.MAP_LOOKUP_ELEM, b"")

    def lookup_batch(
        self, cursor: bytes | None, keys: Rows, values: Rows, *, delete: bool = False
    ) -> tuple[int, bytes | None]:
        """Fill rows of `keys` and `values` with entries from `cursor` on; with `delete` they leave the map.

        Gives the number of rows filled and the cursor for the next call, None at the end.

        Raises:
            UnsupportedError: The kernel has no batch operations for this map.
            BatchTooSmall: A hash bucket has more entries than the arrays have rows.
        """
        self._check_rows(keys, self.info.key_size)
        self._check_rows(values, self.value_stride)
        command = _syscall.MAP_LOOKUP_AND_DELETE_BATCH if delete else _syscall.MAP_LOOKUP_BATCH
        if not kernel_features().has_batch:
            raise self._no_batch()
        rows = min(len(keys), len(values))
        try:
            return _syscall.map_batch(
                command,
                self.fd,
                cursor,
                keys.ctypes.data,
                values.ctypes.data,
                rows,
                max(8, self.info.key_size),
            )
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise BatchTooSmall(self.info.name, rows) from error
            if error.errno in NO_BATCH:
                raise self._no_batch() from error
            raise KernelError(f"read map {self.info.name!r}", error) from error

    def update_batch(self, keys: Rows, values: Rows) -> int:
        """Insert or replace entries; gives how many were, from the first on: fewer than asked when one was refused.

        Raises:
            UnsupportedError: The kernel has no batch operations for this map.
        """
        self._check_rows(values, self.value_stride)
        return self._change_batch(_syscall.MAP_UPDATE_BATCH, keys, values.ctypes.data)

    def delete_batch(self, keys: Rows) -> int:
        """Remove entries; gives how many were removed, from the first on: fewer than asked when one was not there.

        Raises:
            UnsupportedError: The kernel has no batch operations for this map.
        """
        return self._change_batch(_syscall.MAP_DELETE_BATCH, keys, 0)

    def _change_batch(self, command: int, keys: Rows, values: int) -> int:
        self._check_rows(keys, self.info.key_size)
        if not kernel_features().has_batch:
            raise self._no_batch()
        try:
            return _syscall.map_change_batch(command, self.fd, keys.ctypes.data, values, len(keys))
        except OSError as error:
            if error.errno in NO_BATCH:
                raise self._no_batch() from error
            raise KernelError(f"change map {self.info.name!r}", error) from error

    def __repr__(self) -> str:
        return f"<BpfMap {self.info.name} {self.info.map_type.name} id {self.info.id}>"

    def _read(self, command: int, key: bytes) -> bytes | None:
        self._check_size("key", key, self.info.key_size)
        value = (c_char * self.value_stride)()
        return value.raw if self._element(command, key, value) else None

    def _element(self, command: int, key: bytes | None, value: object) -> bool:
        """Run a command on one entry; False when there is no such entry."""
        try:
            _syscall.map_element(command, self.fd, key or None, value)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise KernelError(f"access map {self.info.name!r}", error) from error
        return True

    def _no_batch(self) -> UnsupportedError:
        kind = self.info.map_type.name.lower()
        return UnsupportedError(f"access map {self.info.name!r}: no batch operations for {kind} in this kernel")

    def _check_size(self, what: str, content: bytes, size: int) -> None:
        """The kernel reads as many bytes as the map has, not as many as we give."""
        if len(content) != size:
            raise ValueError(f"map {self.info.name!r} takes a {what} of {size} bytes, not {len(content)}")

    def _check_rows(self, rows: Rows, width: int) -> None:
        usable = rows.dtype == np.uint8 and rows.flags.c_contiguous and rows.flags.writeable
        if not usable or rows.ndim != 2 or rows.shape[1] != width:
            raise ValueError(
                f"map {self.info.name!r} needs contiguous rows of {width} bytes, not {rows.shape} of {rows.dtype}"
            )
