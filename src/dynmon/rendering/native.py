"""The executor in C: kernel/ as a library in this process, called with the interpreter's lock released."""

from __future__ import annotations

import ctypes
import itertools
import os
import re
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from dynmon.errors import UnsupportedError
from dynmon.rendering.plain import Rows
from dynmon.rendering.program import SLACK, Program

NAME = "dynmon-rows"
# So much text is made in one call; of longer rows it is one row.
CALL_BYTES = 1 << 20
INCLUSION = re.compile(rb'^#include "([a-z]+\.h)"$', re.MULTILINE)
_loads = itertools.count()


class _Plan(ctypes.Structure):
    _fields_ = [
        ("steps", ctypes.c_void_p),
        ("entries", ctypes.c_void_p),
        ("pool", ctypes.c_void_p),
        ("powers", ctypes.c_void_p),
        ("count", ctypes.c_uint64),
    ]


def kernel_source() -> bytes:
    """The C code of the executor in one text: the compiler's sandbox has none of its files."""
    folder = files("dynmon.rendering") / "kernel"
    return INCLUSION.sub(lambda match: (folder / match[1].decode()).read_bytes(), (folder / "rows.c").read_bytes())


class RowKernel:
    """The library, loaded for as long as the process lives; threads may share it."""

    def __init__(self, library: bytes) -> None:
        """Load `library`, which is what the compiler and linker made of `kernel_source()`.

        Raises:
            UnsupportedError: It cannot be loaded here.
        """
        try:
            # Code is loaded from memory of our own: no file that others could change in between has a part in it.
            descriptor = os.memfd_create(NAME, os.MFD_CLOEXEC)
            with os.fdopen(descriptor, "wb") as file:
                file.write(library)
                file.flush()
                # The loader takes one name for one library; the number alone is used again.
                name = f"/proc/self/fd/{'./' * next(_loads)}{descriptor}"
                self._run = ctypes.CDLL(name).dynmon_render_rows
        except (OSError, AttributeError) as error:
            raise UnsupportedError(f"load the row kernel: {error}") from error
        word, address = ctypes.c_uint64, ctypes.c_void_p
        self._run.argtypes = [ctypes.POINTER(_Plan), address, word, word, address]
        self._run.restype = word

    def render(self, program: Program, rows: Rows) -> bytes:
        """What the program writes for the rows, which are as long as it needs and one after the other."""
        arrays = (program.steps, program.entries, program.pool, program.powers)
        plan = _Plan(*(array.ctypes.data for array in arrays), len(program.steps))
        step = max(1, CALL_BYTES // max(1, program.longest))
        buffer = np.empty(min(step, len(rows)) * program.longest + SLACK, np.uint8)
        pieces = [self._piece(plan, rows[start : start + step], buffer) for start in range(0, len(rows), step)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, plan: _Plan, rows: Rows, buffer: NDArray[np.uint8]) -> bytes:
        written = self._run(ctypes.byref(plan), rows.ctypes.data, rows.strides[0], len(rows), buffer.ctypes.data)
        return buffer[:written].tobytes()
