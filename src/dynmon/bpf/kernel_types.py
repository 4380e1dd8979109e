"""Write the types of a kernel's BTF as C, in a process that does nothing else.

libbpf hands the pieces of its text to a function of ours that has the type of ``vfprintf``. It gets the C library's
own, and writes a hundred thousand types without a step in Python. Still that takes a third of a second, and tens of
megabytes that the daemon never needs again.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import c_char_p, c_int, c_uint32, c_void_p

from dynmon.bpf._libbpf import negative, null, prototype

# Accesses to a kernel structure are relocated to the running kernel's layout, as bpftool's header has it.
BEFORE = b"""#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

"""
AFTER = b"""
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif
"""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fdopen.restype = c_void_p
_libc.fdopen.argtypes = [c_int, c_char_p]
_libc.fclose.argtypes = [c_void_p]

btf_parse = prototype("btf__parse", c_void_p, c_char_p, c_void_p, fails=null)
btf_type_count = prototype("btf__type_cnt", c_uint32, c_void_p, fails=negative)
dump_new = prototype("btf_dump__new", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, fails=null)
dump_type = prototype("btf_dump__dump_type", c_int, c_void_p, c_uint32, fails=negative)


def write_header(path: str, descriptor: int) -> None:
    """Write the header for the BTF at `path`; the descriptor is closed.

    Raises:
        OSError: There is no such file, it is not BTF, or the disk is full.
    """
    btf = btf_parse(path.encode(), None)
    os.write(descriptor, BEFORE)
    file = null(_libc.fdopen(os.dup(descriptor), b"w"))
    dump = dump_new(btf, ctypes.cast(_libc.vfprintf, c_void_p), file, None)
    for number in range(1, btf_type_count(btf)):
        dump_type(dump, number)
    if _libc.fclose(file):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.write(descriptor, AFTER)
    os.close(descriptor)


def main(path: str) -> None:
    """Write the types of `path` to standard output."""
    try:
        write_header(path, sys.stdout.fileno())
    except OSError as error:
        sys.exit(error.strerror)
