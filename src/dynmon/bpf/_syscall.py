"""The one door to bpf(2), and each of its commands that we use, as a function that raises OSError.

Maps, links and facts go this way: the calls are few, stable ABI, and some (tcx links) are newer than libbpf 1.1.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Sequence
from ctypes import c_char, c_uint8, c_uint32, c_uint64
from typing import Any, Final

SYSCALL_NUMBERS = {"x86_64": 321, "aarch64": 280}

MAP_CREATE: Final = 0
MAP_LOOKUP_ELEM: Final = 1
MAP_UPDATE_ELEM: Final = 2
MAP_DELETE_ELEM: Final = 3
MAP_GET_NEXT_KEY: Final = 4
PROG_LOAD: Final = 5
OBJ_PIN: Final = 6
OBJ_GET: Final = 7
PROG_TEST_RUN: Final = 10
PROG_GET_FD_BY_ID: Final = 13
MAP_GET_FD_BY_ID: Final = 14
OBJ_GET_INFO_BY_FD: Final = 15
PROG_QUERY: Final = 16
MAP_LOOKUP_AND_DELETE_ELEM: Final = 21
MAP_LOOKUP_BATCH: Final = 24
MAP_LOOKUP_AND_DELETE_BATCH: Final = 25
MAP_UPDATE_BATCH: Final = 26
MAP_DELETE_BATCH: Final = 27
LINK_CREATE: Final = 28
LINK_UPDATE: Final = 29
ENABLE_STATS: Final = 32
LINK_DETACH: Final = 34

# Attach types and flags of BPF_LINK_CREATE.
XDP: Final = 37
TCX_INGRESS: Final = 46
TCX_EGRESS: Final = 47
F_BEFORE: Final = 1 << 3
F_AFTER: Final = 1 << 4
F_LINK: Final = 1 << 13
XDP_SKB_MODE: Final = 1 << 1
XDP_DRV_MODE: Final = 1 << 2

STATS_RUN_TIME: Final = 0
HOOK_PLACES: Final = 64  # BPF_MPROG_MAX: no tcx hook has more programs
ENOTSUPP: Final = 524  # the kernel's own, which leaks out of map operations that a type does not have

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint]


def bpf(command: int, attributes: ctypes.Structure) -> int:
    """bpf(2) itself; a signal that interrupts it only makes it start again.

    Raises:
        OSError: With the kernel's errno.
    """
    number = SYSCALL_NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"bpf(2) has no known number on {platform.machine()}")
    while True:
        result = int(_syscall(number, command, ctypes.addressof(attributes), ctypes.sizeof(attributes)))
        if result >= 0:
            return result
        code = ctypes.get_errno()
        if code != errno.EINTR:
            text = "Operation not supported" if code == ENOTSUPP else os.strerror(code)
            raise OSError(code, text)


def buffer(content: bytes) -> ctypes.Array[c_char]:
    """A C array that holds `content`."""
    return (c_char * len(content)).from_buffer_copy(content)


class _MapCreate(ctypes.Structure):
    _fields_ = [
        ("map_type", c_uint32),
        ("key_size", c_uint32),
        ("value_size", c_uint32),
        ("max_entries", c_uint32),
        ("map_flags", c_uint32),
        ("inner_map_fd", c_uint32),
        ("numa_node", c_uint32),
        ("map_name", c_char * 16),
    ]


def map_create(
    kind: int, key_size: int, value_size: int, max_entries: int, flags: int, name: str, inner_fd: int = 0
) -> int:
    """BPF_MAP_CREATE; gives a descriptor. The maps inside of a map of maps are like the one behind `inner_fd`."""
    create = _MapCreate(kind, key_size, value_size, max_entries, flags, inner_fd, 0, name.encode()[:15])
    return bpf(MAP_CREATE, create)


class _ById(ctypes.Structure):
    _fields_ = [("id", c_uint32), ("next_id", c_uint32), ("open_flags", c_uint32)]


def map_by_id(number: int) -> int:
    """BPF_MAP_GET_FD_BY_ID, which takes CAP_SYS_ADMIN; gives a descriptor."""
    return bpf(MAP_GET_FD_BY_ID, _ById(number, 0, 0))


def program_by_id(number: int) -> int:
    """BPF_PROG_GET_FD_BY_ID, which takes CAP_SYS_ADMIN; gives a descriptor."""
    return bpf(PROG_GET_FD_BY_ID, _ById(number, 0, 0))


class _MapElement(ctypes.Structure):
    _fields_ = [
        ("map_fd", c_uint32),
        ("padding", c_uint32),
        ("key", c_uint64),
        ("value", c_uint64),
        ("flags", c_uint64),
    ]


def map_element(command: int, map_fd: int, key: bytes | None, value: Any, flags: int = 0) -> None:
    """A command on one entry; `value` is a C array, read or written by the kernel, or None."""
    key_buffer = None if key is None else buffer(key)
    bpf(command, _MapElement(map_fd, 0, address_of(key_buffer), address_of(value), flags))


class _MapBatch(ctypes.Structure):
    _fields_ = [
        ("in_batch", c_uint64),
        ("out_batch", c_uint64),
        ("keys", c_uint64),
        ("values", c_uint64),
        ("count", c_uint32),
        ("map_fd", c_uint32),
        ("element_flags", c_uint64),
        ("flags", c_uint64),
    ]


def map_batch(
    command: int, map_fd: int, cursor: bytes | None, keys: int, values: int, count: int, cursor_size: int
) -> tuple[int, bytes | None]:
    """Read up to `count` entries into the memory at `keys` and `values`; gives their number and the next cursor.

    The kernel ends a map with ENOENT, and has filled in the entries before it; here the cursor is then None.
    """
    behind = None if cursor is None else buffer(cursor)
    ahead = (c_char * cursor_size)()
    batch = _MapBatch(address_of(behind), address_of(ahead), keys, values, count, map_fd, 0, 0)
    try:
        bpf(command, batch)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return batch.count, None
    return batch.count, ahead.raw


def map_change_batch(command: int, map_fd: int, keys: int, values: int, count: int) -> int:
    """Update or delete entries with the keys (and values) in the memory there; gives the number done before one failed.

    Raises:
        OSError: The first one failed.
    """
    batch = _MapBatch(0, 0, keys, values, count, map_fd, 0, 0)
    try:
        bpf(command, batch)
    except OSError:
        # What is refused as a whole may leave the count as it was given; what failed on the way never has them all.
        if batch.count in (0, count):
            raise
    return int(batch.count)


class _ProgramLoad(ctypes.Structure):
    _fields_ = [
        ("prog_type", c_uint32),
        ("insn_cnt", c_uint32),
        ("insns", c_uint64),
        ("license", c_uint64),
        ("log", c_uint64 * 2),
        ("kern_version", c_uint32),
        ("prog_flags", c_uint32),
    ]


def program_load(program_type: int, instructions: bytes) -> int:
    """BPF_PROG_LOAD of a few bare instructions, to probe the kernel with; gives a descriptor."""
    code, license_text = buffer(instructions), buffer(b"Dual BSD/GPL\0")
    load = _ProgramLoad(program_type, len(instructions) // 8, address_of(code), address_of(license_text))
    return bpf(PROG_LOAD, load)


class _ObjectPath(ctypes.Structure):
    _fields_ = [("pathname", c_uint64), ("bpf_fd", c_uint32), ("file_flags", c_uint32)]


def object_get(path: str) -> int:
    """The object pinned at `path`; gives a descriptor."""
    name = buffer(os.fsencode(path) + b"\0")
    return bpf(OBJ_GET, _ObjectPath(address_of(name), 0, 0))


def object_pin(fd: int, path: str) -> None:
    """Keep the object behind `fd` at `path` of a BPF filesystem."""
    name = buffer(os.fsencode(path) + b"\0")
    bpf(OBJ_PIN, _ObjectPath(address_of(name), fd, 0))


class _TestRun(ctypes.Structure):
    _fields_ = [
        ("prog_fd", c_uint32),
        ("retval", c_uint32),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("data_in", c_uint64),
        ("data_out", c_uint64),
        ("repeat", c_uint32),
        ("duration", c_uint32),
    ]


def program_test_run(program_fd: int, packet: bytes, room: int, repeat: int) -> tuple[int, int, bytes]:
    """Run a program on `packet`: its return value, mean nanoseconds, and the packet it left behind."""
    data_in, data_out = buffer(packet), (c_char * room)()
    run = _TestRun(program_fd, 0, len(packet), room, address_of(data_in), address_of(data_out), repeat, 0)
    bpf(PROG_TEST_RUN, run)
    return run.retval, run.duration, data_out.raw[: run.data_size_out]


class _ObjectInfo(ctypes.Structure):
    _fields_ = [("bpf_fd", c_uint32), ("info_len", c_uint32), ("info", c_uint64)]


def object_info(fd: int, info: ctypes.Structure) -> None:
    """BPF_OBJ_GET_INFO_BY_FD: fill `info`, whose own pointers may ask for more."""
    bpf(OBJ_GET_INFO_BY_FD, _ObjectInfo(fd, ctypes.sizeof(info), ctypes.addressof(info)))


class MapFacts(ctypes.Structure):
    """The head of ``struct bpf_map_info``."""

    _fields_ = [
        ("type", c_uint32),
        ("id", c_uint32),
        ("key_size", c_uint32),
        ("value_size", c_uint32),
        ("max_entries", c_uint32),
        ("map_flags", c_uint32),
        ("name", c_char * 16),
        ("ifindex", c_uint32),
        ("vmlinux_value_type_id", c_uint32),
        ("netns", c_uint64 * 2),
        ("btf_id", c_uint32),
        ("key_type_id", c_uint32),
        ("value_type_id", c_uint32),
        ("padding", c_uint32),
    ]


class ProgramFacts(ctypes.Structure):
    """The head of ``struct bpf_prog_info``; run time and runs are counted only while the kernel times programs."""

    _fields_ = [
        ("type", c_uint32),
        ("id", c_uint32),
        ("tag", c_uint8 * 8),
        ("jited_bytes", c_uint32),
        ("translated_bytes", c_uint32),
        ("code", c_uint64 * 2),
        ("load_time", c_uint64),
        ("created_by_uid", c_uint32),
        ("map_count", c_uint32),
        ("map_ids", c_uint64),
        ("name", c_char * 16),
        ("more", c_uint64 * 14),  # interface, functions, lines, tags
        ("run_time_ns", c_uint64),
        ("runs", c_uint64),
    ]


class _EnableStats(ctypes.Structure):
    _fields_ = [("type", c_uint32)]


def enable_stats() -> int:
    """BPF_ENABLE_STATS: the kernel times every program as long as somebody has such a descriptor open (Linux 5.8)."""
    return bpf(ENABLE_STATS, _EnableStats(STATS_RUN_TIME))


class _BtfFacts(ctypes.Structure):
    _fields_ = [("btf", c_uint64), ("btf_size", c_uint32), ("id", c_uint32)]


def btf_bytes(fd: int) -> bytes:
    """The raw BTF behind a BTF descriptor, as the kernel keeps it."""
    facts = _BtfFacts()
    object_info(fd, facts)
    room = (c_char * facts.btf_size)()
    facts = _BtfFacts(address_of(room), facts.btf_size)
    object_info(fd, facts)
    return bytes(room.raw[: facts.btf_size])


class LinkFacts(ctypes.Structure):
    """The head of ``struct bpf_link_info``; for tcx and XDP the interface comes first behind it."""

    _fields_ = [
        ("type", c_uint32),
        ("id", c_uint32),
        ("prog_id", c_uint32),
        ("padding", c_uint32),
        ("ifindex", c_uint32),
        ("attach_type", c_uint32),
        ("more", c_uint64 * 4),
    ]


class _LinkCreate(ctypes.Structure):
    _fields_ = [
        ("prog_fd", c_uint32),
        ("target_ifindex", c_uint32),
        ("attach_type", c_uint32),
        ("flags", c_uint32),
        ("relative_fd", c_uint32),
        ("padding", c_uint32),
        ("expected_revision", c_uint64),
    ]


def link_create(program_fd: int, interface_index: int, attach_type: int, flags: int, relative_fd: int = 0) -> int:
    """BPF_LINK_CREATE on an interface; gives a descriptor."""
    return bpf(LINK_CREATE, _LinkCreate(program_fd, interface_index, attach_type, flags, relative_fd))


class _LinkUpdate(ctypes.Structure):
    _fields_ = [
        ("link_fd", c_uint32),
        ("new_prog_fd", c_uint32),
        ("flags", c_uint32),
        ("old_prog_fd", c_uint32),
    ]


def link_update(link_fd: int, program_fd: int) -> None:
    """BPF_LINK_UPDATE: from one packet to the next, the link runs another program."""
    bpf(LINK_UPDATE, _LinkUpdate(link_fd, program_fd))


class _LinkDetach(ctypes.Structure):
    _fields_ = [("link_fd", c_uint32)]


def link_detach(link_fd: int) -> None:
    """BPF_LINK_DETACH: the program runs no more, whoever else holds the link."""
    bpf(LINK_DETACH, _LinkDetach(link_fd))


class _ProgramQuery(ctypes.Structure):
    _fields_ = [
        ("target_ifindex", c_uint32),
        ("attach_type", c_uint32),
        ("query_flags", c_uint32),
        ("attach_flags", c_uint32),
        ("program_ids", c_uint64),
        ("count", c_uint32),
        ("padding", c_uint32),
        ("program_attach_flags", c_uint64),
        ("link_ids", c_uint64),
        ("link_attach_flags", c_uint64),
        ("revision", c_uint64),
    ]


def tcx_query(interface_index: int, attach_type: int) -> list[tuple[int, int]]:
    """BPF_PROG_QUERY of a tcx hook: the ids of its programs and of their links, zero for none, in running order."""
    programs, links = (c_uint32 * HOOK_PLACES)(), (c_uint32 * HOOK_PLACES)()
    query = _ProgramQuery(
        interface_index, attach_type, 0, 0, address_of(programs), HOOK_PLACES, 0, 0, address_of(links)
    )
    bpf(PROG_QUERY, query)
    return list(zip(programs[: query.count], links[: query.count], strict=True))


def close_all(fds: Sequence[int]) -> None:
    """Close descriptors that nobody owns yet."""
    for fd in fds:
        os.close(fd)


def address_of(memory: Any) -> int:
    """The address of a C array or structure, zero for None."""
    return 0 if memory is None else ctypes.addressof(memory)
