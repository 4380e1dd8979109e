"""libbpf's functions, each declared once with its types and its way of failing; above this file they raise OSError.

libbpf writes what it has to say to a callback. It never reaches stderr: `heard()` collects it for the calling thread.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_bool, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

LIBRARY = "libbpf.so.1"
_library = ctypes.CDLL(LIBRARY, use_errno=True)
_libc = ctypes.CDLL(None)

Check = Callable[[Any], Any]


def negative(result: Any) -> Any:
    """Failure is a negative errno."""
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def null(result: Any) -> Any:
    """Failure is NULL, with the reason in errno."""
    if not result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def never(result: Any) -> Any:
    """It cannot fail, or NULL has a meaning of its own."""
    return result


def prototype(name: str, result: Any, *arguments: Any, fails: Check) -> Callable[..., Any]:
    """Declare a function of libbpf; called, it gives its result or raises OSError."""
    function = getattr(_library, name)
    function.restype = result
    function.argtypes = arguments

    def call(*values: Any) -> Any:
        return fails(function(*values))

    call.__name__ = name
    return call


class ObjectOpenOptions(ctypes.Structure):
    """``struct bpf_object_open_opts``."""

    _fields_ = [
        ("sz", c_size_t),
        ("object_name", c_char_p),
        ("relaxed_maps", c_bool),
        ("pin_root_path", c_char_p),
        ("reserved", c_uint32),
        ("kconfig", c_char_p),
        ("btf_custom_path", c_char_p),
        ("kernel_log_buf", c_void_p),
        ("kernel_log_size", c_size_t),
        ("kernel_log_level", c_uint32),
    ]


class TcHook(ctypes.Structure):
    """``struct bpf_tc_hook``."""

    _fields_ = [("sz", c_size_t), ("ifindex", c_int), ("attach_point", c_int), ("parent", c_uint32)]


class TcOptions(ctypes.Structure):
    """``struct bpf_tc_opts``."""

    _fields_ = [
        ("sz", c_size_t),
        ("prog_fd", c_int),
        ("flags", c_uint32),
        ("prog_id", c_uint32),
        ("handle", c_uint32),
        ("priority", c_uint32),
    ]


TC_INGRESS = 1
TC_EGRESS = 2
TC_REPLACE = 1

object_open_mem = prototype(
    "bpf_object__open_mem", c_void_p, c_char_p, c_size_t, POINTER(ObjectOpenOptions), fails=null
)
object_load = prototype("bpf_object__load", c_int, c_void_p, fails=negative)
object_btf_fd = prototype("bpf_object__btf_fd", c_int, c_void_p, fails=never)  # negative: there is no BTF
object_next_program = prototype("bpf_object__next_program", c_void_p, c_void_p, c_void_p, fails=never)
object_next_map = prototype("bpf_object__next_map", c_void_p, c_void_p, c_void_p, fails=never)

program_name = prototype("bpf_program__name", c_char_p, c_void_p, fails=null)
program_fd = prototype("bpf_program__fd", c_int, c_void_p, fails=negative)
program_section = prototype("bpf_program__section_name", c_char_p, c_void_p, fails=null)
program_type = prototype("bpf_program__type", c_int, c_void_p, fails=never)
program_set_autoload = prototype("bpf_program__set_autoload", c_int, c_void_p, c_bool, fails=negative)
program_set_type = prototype("bpf_program__set_type", c_int, c_void_p, c_int, fails=negative)
program_set_attach_type = prototype("bpf_program__set_expected_attach_type", c_int, c_void_p, c_int, fails=negative)
program_flags = prototype("bpf_program__flags", c_uint32, c_void_p, fails=never)
program_set_flags = prototype("bpf_program__set_flags", c_int, c_void_p, c_uint32, fails=negative)
program_instructions = prototype("bpf_program__insns", c_void_p, c_void_p, fails=null)
program_instruction_count = prototype("bpf_program__insn_cnt", c_size_t, c_void_p, fails=never)
program_set_log_level = prototype("bpf_program__set_log_level", c_int, c_void_p, c_uint32, fails=negative)
program_set_log = prototype("bpf_program__set_log_buf", c_int, c_void_p, c_void_p, c_size_t, fails=negative)

map_name = prototype("bpf_map__name", c_char_p, c_void_p, fails=null)
map_fd = prototype("bpf_map__fd", c_int, c_void_p, fails=never)  # negative: it was not created
map_is_internal = prototype("bpf_map__is_internal", c_bool, c_void_p, fails=never)
map_type = prototype("bpf_map__type", c_int, c_void_p, fails=never)
map_key_size = prototype("bpf_map__key_size", c_uint32, c_void_p, fails=never)
map_value_size = prototype("bpf_map__value_size", c_uint32, c_void_p, fails=never)
map_max_entries = prototype("bpf_map__max_entries", c_uint32, c_void_p, fails=never)
map_flags = prototype("bpf_map__map_flags", c_uint32, c_void_p, fails=never)
map_key_type = prototype("bpf_map__btf_key_type_id", c_uint32, c_void_p, fails=never)
map_value_type = prototype("bpf_map__btf_value_type_id", c_uint32, c_void_p, fails=never)
map_pin_path = prototype("bpf_map__pin_path", c_char_p, c_void_p, fails=never)  # NULL: it is not to be pinned
map_inner = prototype("bpf_map__inner_map", c_void_p, c_void_p, fails=never)  # NULL: it declares none
map_set_key_size = prototype("bpf_map__set_key_size", c_int, c_void_p, c_uint32, fails=negative)
map_set_value_size = prototype("bpf_map__set_value_size", c_int, c_void_p, c_uint32, fails=negative)
map_set_max_entries = prototype("bpf_map__set_max_entries", c_int, c_void_p, c_uint32, fails=negative)
map_set_autocreate = prototype("bpf_map__set_autocreate", c_int, c_void_p, c_bool, fails=negative)
map_set_pin_path = prototype("bpf_map__set_pin_path", c_int, c_void_p, c_char_p, fails=negative)
map_reuse_fd = prototype("bpf_map__reuse_fd", c_int, c_void_p, c_int, fails=negative)
map_set_inner_fd = prototype("bpf_map__set_inner_map_fd", c_int, c_void_p, c_int, fails=negative)
map_initial_value = prototype("bpf_map__initial_value", c_void_p, c_void_p, POINTER(c_size_t), fails=null)

SampleCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
ring_buffer_new = prototype("ring_buffer__new", c_void_p, c_int, SampleCallback, c_void_p, c_void_p, fails=null)
ring_buffer_consume = prototype("ring_buffer__consume", c_int, c_void_p, fails=never)  # our callback's own
ring_buffer_free = prototype("ring_buffer__free", None, c_void_p, fails=never)

PerfSampleCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_void_p, c_uint32)
PerfLostCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_uint64)
perf_buffer_new = prototype(
    "perf_buffer__new", c_void_p, c_int, c_size_t, PerfSampleCallback, PerfLostCallback, c_void_p, c_void_p, fails=null
)
perf_buffer_consume = prototype("perf_buffer__consume", c_int, c_void_p, fails=negative)
perf_buffer_epoll_fd = prototype("perf_buffer__epoll_fd", c_int, c_void_p, fails=never)
perf_buffer_free = prototype("perf_buffer__free", None, c_void_p, fails=never)

tc_hook_create = prototype("bpf_tc_hook_create", c_int, POINTER(TcHook), fails=negative)
tc_hook_destroy = prototype("bpf_tc_hook_destroy", c_int, POINTER(TcHook), fails=negative)
tc_attach = prototype("bpf_tc_attach", c_int, POINTER(TcHook), POINTER(TcOptions), fails=negative)
tc_detach = prototype("bpf_tc_detach", c_int, POINTER(TcHook), POINTER(TcOptions), fails=negative)
tc_query = prototype("bpf_tc_query", c_int, POINTER(TcHook), POINTER(TcOptions), fails=negative)
xdp_query_id = prototype("bpf_xdp_query_id", c_int, c_int, c_int, POINTER(c_uint32), fails=negative)

DEBUG_LEVEL = 2
MESSAGE_BYTES = 16384
MESSAGES = 200
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # names of types, which libbpf quotes, have anything in them

_listeners = threading.local()
_vsnprintf = _libc.vsnprintf
_vsnprintf.argtypes = [c_char_p, c_size_t, c_char_p, c_void_p]


# va_list is a pointer as a parameter, or (AArch64) a structure so large that it travels by reference: a pointer fits.
def _print(level: int, template: bytes, arguments: int) -> int:
    messages: list[str] | None = getattr(_listeners, "messages", None)
    if messages is not None and level < DEBUG_LEVEL and len(messages) < MESSAGES:
        text = ctypes.create_string_buffer(MESSAGE_BYTES)
        _vsnprintf(text, MESSAGE_BYTES, template, arguments)
        messages.append(CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.value.decode(errors="replace").rstrip("\n")))
    return 0


_library.libbpf_set_print.restype = c_void_p
_printer = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)(_print)
_library.libbpf_set_print(_printer)


@contextmanager
def heard() -> Iterator[list[str]]:
    """The warnings and notes that libbpf has for this thread inside the block."""
    before = getattr(_listeners, "messages", None)
    messages: list[str] = []
    _listeners.messages = messages
    try:
        yield messages
    finally:
        _listeners.messages = before
