"""vmlinux.h: the running kernel's types, read as text or precompiled, to the same end."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dynmon.bpf import Loader, LoadRequest, ProgramType
from dynmon.compiler import CompileError, Compiler, vmlinux
from dynmon.compiler.sandbox import SandboxError
from dynmon.compiler.vmlinux import HEADER, PRECOMPILED, KernelTypesNotFound
from dynmon.models import Direction, Hook
from dynmon.settings import CompileLimits
from tests.support import needs

pytestmark = needs("kernel", "clang")
INCLUDE = '#include "vmlinux.h"\n'
PROGRAM = """
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

SEC("tc") int pid(struct __sk_buff *skb)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, real_parent, tgid) + skb->len + TASK_COMM_LEN;
}

char LICENSE[] SEC("license") = "GPL";
"""
TINY = '__attribute__((section("tc"), used)) int tiny(struct __sk_buff *skb) { return 0; }\n'
# The types come either way, but not precompiled.
AS_TEXT = f"#if 1\n{INCLUDE}#endif\n"
SECTION = struct.Struct("<IIQQQQIIQQ")


def compiled(compiler: Compiler, source: str) -> bytes:
    return compiler.compile(source, Direction.INGRESS, Hook.TC).object


def sections(elf: bytes) -> dict[str, bytes]:
    """The sections of an object that go to the kernel."""
    (table,), (count, names) = struct.unpack_from("<Q", elf, 40), struct.unpack_from("<HH", elf, 60)
    headers = [SECTION.unpack_from(elf, table + SECTION.size * number) for number in range(count)]
    strings = elf[headers[names][4] :]
    found = {
        strings[header[0] :].partition(b"\0")[0].decode(): elf[header[4] : header[4] + header[5]] for header in headers
    }
    return {name: content for name, content in found.items() if name in ("tc", "license", ".BTF", ".BTF.ext")}


def names(btf: bytes) -> list[bytes]:
    """Whatever has a name in it."""
    (size,), (offset,) = struct.unpack_from("<I", btf, 4), struct.unpack_from("<I", btf, 16)
    return sorted(btf[size + offset :].split(b"\0"))


def folder_of(compiler: Compiler) -> Path:
    """Where the types are."""
    (folder,) = compiler._workshop.folder.glob("kernel-*")
    return folder


def test_an_object_is_the_same_with_the_types_precompiled(compiler: Compiler) -> None:
    """But for the order of types that nothing is known of but the name, which clang 19 leaves to chance."""
    precompiled = sections(compiled(compiler, f"\n{INCLUDE}\n{PROGRAM}"))
    as_text = sections(compiled(compiler, f"{AS_TEXT}{PROGRAM}"))
    types, same_types = precompiled.pop(".BTF"), as_text.pop(".BTF")

    assert {"tc", "license", ".BTF.ext"} == set(precompiled)
    assert precompiled == as_text
    assert len(types) == len(same_types)
    assert names(types) == names(same_types)


def test_precompiled_types_are_read_where_they_are_there(compiler: Compiler) -> None:
    """Not the text: it may be missing. And only they: when they are damaged, nothing takes their place."""
    compiled(compiler, INCLUDE + PROGRAM)
    text, precompiled = folder_of(compiler) / HEADER, folder_of(compiler) / PRECOMPILED
    saved = text.read_bytes(), precompiled.read_bytes()
    try:
        text.unlink()
        assert compiled(compiler, f"{INCLUDE}{PROGRAM}// without text")
        with pytest.raises(CompileError, match="file not found"):
            compiled(compiler, f"{AS_TEXT}{PROGRAM}// without text")
        precompiled.write_bytes(b"damaged")
        with pytest.raises(CompileError):
            compiled(compiler, f"{INCLUDE}{PROGRAM}// damaged")
    finally:
        text.write_bytes(saved[0])
        text.chmod(0o644)
        precompiled.write_bytes(saved[1])


def test_including_the_precompiled_types_costs_less_than_their_text(compiler: Compiler) -> None:
    """Each the best of five; what it costs in milliseconds, a benchmark says."""

    def best(source: str) -> float:
        took = []
        for number in range(5):
            started = time.perf_counter()
            compiled(compiler, f"{source}{TINY}// {number}\n")
            took.append(time.perf_counter() - started)
        return min(took)

    compiled(compiler, INCLUDE + TINY)
    without, precompiled, as_text = best("struct __sk_buff;\n"), best(INCLUDE), best(AS_TEXT)

    assert (as_text - without) > 2 * (precompiled - without)


@pytest.mark.parametrize(
    "inclusion",
    [
        '#include "vmlinux.h"',
        "#include <vmlinux.h>",
        '#include "vmlinux/vmlinux.h"',
        "#  include\t<vmlinux/vmlinux.h>  // with a comment",
        '#ifndef GUARD_H\n#define GUARD_H\n#include "vmlinux.h"\n#endif',
        '#define BPF_NO_GLOBAL_DATA 1\n#define __TARGET_ARCH_x86\n#include "vmlinux.h"',
        '#define BPF_NO_PRESERVE_ACCESS_INDEX\n#include "vmlinux.h"',
        '#define TYPES "vmlinux.h"\n#include TYPES',
        '#ifdef __bpf__\n#include "vmlinux.h"\n#else\n#include <linux/bpf.h>\n#endif',
        '#include <stdint.h>\n#include <stddef.h>\n#include "vmlinux.h"\n#include <stdbool.h>',
        '#include "vmlinux.h"\n#include "vmlinux.h"\n#include <vmlinux/vmlinux.h>',
        '#define sk_buff kernels_buffer\n#include "vmlinux.h"\n#undef sk_buff\nstruct sk_buff { int mine; };',
    ],
)
def test_every_way_to_include_it(compiler: Compiler, loader: Loader, inclusion: str) -> None:
    code = compiled(compiler, f"{inclusion}\n{PROGRAM}")
    request = LoadRequest(code, "pid", ProgramType.SCHED_CLS, "ingress", memory_bytes=1 << 20)

    with loader.load(request) as loaded:
        assert loaded.program.instructions > 0


def test_a_finding_is_in_the_users_lines(compiler: Compiler) -> None:
    """Also where it clashes with a type of the kernel, whose place is nowhere in the user's text."""
    with pytest.raises(CompileError) as refusal:
        compiled(compiler, f"{INCLUDE}{PROGRAM}struct task_struct {{ int pid; }};\n")

    (found,) = refusal.value.diagnostics
    assert (14, "redefinition of 'task_struct'") == (found.line, found.message)


def test_the_types_are_made_by_who_needs_them(tmp_path: Path) -> None:
    """Once for threads that ask at the same time; nothing for code that does not; what is old goes."""
    with Compiler(tmp_path, CompileLimits()) as compiler:
        compiled(compiler, "// no vmlinux.h\n#include <linux/bpf.h>\n" + TINY)
        headers = compiler._workshop.folder
        assert [] == list(headers.glob("kernel-*"))

        (headers / "kernel-of-yesterday").mkdir()
        with ThreadPoolExecutor(2) as pool:
            objects = set(pool.map(lambda number: compiled(compiler, f"{INCLUDE}{TINY}// {number}"), range(4)))
        made = folder_of(compiler)
        assert 1 == len(objects)
        assert {HEADER, PRECOMPILED} == {path.name for path in made.iterdir()}
        assert [made] == [path for path in headers.iterdir() if "kernel" in path.name]


def test_an_older_kernel_has_the_words_of_newer_ones(tmp_path: Path) -> None:
    """The verdicts of tcx and a loop's counter are there on kernels that have neither."""
    code = """
__attribute__((section("tc"), used)) int verdict(struct __sk_buff *skb)
{
	return sizeof(struct bpf_iter_num) == 8 ? TCX_NEXT : TCX_DROP;
}
"""
    with Compiler(tmp_path / "cache", CompileLimits()) as compiler:
        types = sections(compiled(compiler, f"#include <linux/bpf.h>\n__u64 number;\n{TINY}"))[".BTF"]
        assert not {b"tcx_action_base", b"bpf_iter_num"} & set(names(types))
        btf = compiler._workshop.kernel_types._btf = tmp_path / "vmlinux"
        btf.write_bytes(types)

        assert compiled(compiler, INCLUDE + code)
        assert compiled(compiler, AS_TEXT + code)


def test_a_kernel_that_does_not_tell_its_types(tmp_path: Path) -> None:
    """Only code that includes them is refused."""
    with Compiler(tmp_path, CompileLimits()) as compiler:
        compiler._workshop.kernel_types._btf = tmp_path / "vmlinux"
        with pytest.raises(KernelTypesNotFound, match="CONFIG_DEBUG_INFO_BTF"):
            compiled(compiler, INCLUDE + PROGRAM)
        assert compiled(compiler, "#include <linux/bpf.h>\n" + TINY)


def test_types_that_are_none(tmp_path: Path) -> None:
    with Compiler(tmp_path / "cache", CompileLimits()) as compiler:
        btf = compiler._workshop.kernel_types._btf = tmp_path / "vmlinux"
        btf.write_bytes(b"nonsense")
        with pytest.raises(SandboxError, match=f"read the kernel's types from {btf}: "):
            compiled(compiler, INCLUDE + PROGRAM)
        assert [] == [path for path in compiler._workshop.folder.iterdir() if "kernel" in path.name]


def test_the_text_is_complete() -> None:
    """From the guard at its top to its end, with what packet programs read."""
    command = [sys.executable, "-I", "-c", vmlinux.WRITE, str(vmlinux.PACKAGE_PARENT), str(vmlinux.KERNEL_BTF)]
    text = subprocess.run(command, capture_output=True, check=True).stdout.decode()

    assert text.startswith("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n")
    assert text.endswith("#endif\n")
    for name in ("task_struct", "sk_buff", "__sk_buff", "xdp_md", "net_device", "iphdr", "bpf_map"):
        assert f"\nstruct {name} {{\n" in text
