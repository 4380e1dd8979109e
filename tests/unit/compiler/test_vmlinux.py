"""Where vmlinux.h may be read before everything else."""

from __future__ import annotations

import pytest

from dynmon.compiler.spelling import without_comments
from dynmon.compiler.vmlinux import comes_first

INCLUDE = '#include "vmlinux.h"\n'


@pytest.mark.parametrize(
    "source",
    [
        INCLUDE,
        "#include <vmlinux.h>",
        '#include "vmlinux/vmlinux.h"\r\n',
        '  #  include "vmlinux.h"  // the kernel\n',
        "/* #if 0 */ " + INCLUDE,
        "#include <stdint.h>\n" + INCLUDE,
        "#define __TARGET_ARCH_arm64\n#define BPF_NO_GLOBAL_DATA 1\n" + INCLUDE,
        "#ifdef X\n#define Y\n#endif\n" + INCLUDE,
        f"#ifndef COMMON_H\n#define COMMON_H\n{INCLUDE}#endif\n",
        f'# 1 "common.h" 1\n#ifndef __COMMON_H__\n#define __COMMON_H__\n{INCLUDE}#endif\n# 2 "<stdin>" 2\n',
        INCLUDE + "#define sk_buff mine\n#if 1\n#endif\n",
    ],
)
def test_an_inclusion_may_be_moved_to_the_top(source: str) -> None:
    assert comes_first(without_comments(source))


@pytest.mark.parametrize(
    "source",
    [
        "",
        "#include <linux/bpf.h>\n",
        "// " + INCLUDE,
        f"/*\n{INCLUDE}*/",
        f"#if 1\n{INCLUDE}#endif\n",
        f"#ifdef X\n#include <linux/bpf.h>\n#else\n{INCLUDE}#endif\n",
        f"#ifndef __VMLINUX_H__\n{INCLUDE}#endif\n",
        f"#ifndef A\n#define B\n{INCLUDE}#endif\n",
        "#define sk_buff mine\n" + INCLUDE,
        "#define BPF_NO_PRESERVE_ACCESS_INDEX\n" + INCLUDE,
        '#define TYPES "vmlinux.h"\n#include TYPES\n',
        '#include "my_vmlinux.h"\n',
    ],
)
def test_or_it_may_mean_something_else_there(source: str) -> None:
    assert not comes_first(without_comments(source))
