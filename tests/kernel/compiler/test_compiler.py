"""The compiler as its callers see it: objects, findings, the cache, limits, threads."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dynmon.arguments import parse_arguments
from dynmon.compiler import Artifact, CompileError, Compiler
from dynmon.compiler.sandbox import SandboxError
from dynmon.compiler.shared_object import LinkerNotFound
from dynmon.compiler.toolchain import ClangNotFound, find_toolchain
from dynmon.errors import Diagnostic
from dynmon.models import Direction, Hook
from dynmon.settings import CompileLimits
from tests.support import needs, open_descriptors

pytestmark = needs("clang")
HANDLER = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)"
PASS = HANDLER + " { return RX_OK; }\n"
LIBBPF = '__attribute__((section("tc"), used)) int program(void *ctx) { int x; return x; }\n'


@pytest.fixture
def compiler(tmp_path: Path) -> Iterator[Compiler]:
    with Compiler(tmp_path / "cache", CompileLimits()) as compiler:
        yield compiler


def compile_ingress(compiler: Compiler, source: str) -> Artifact:
    return compiler.compile(source, Direction.INGRESS, Hook.TC)


def findings(compiler: Compiler, source: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(CompileError) as refusal:
        compile_ingress(compiler, source)
    return refusal.value.diagnostics


@pytest.mark.parametrize(
    ("direction", "hook", "program"),
    [
        (Direction.INGRESS, Hook.TC, "dynmon_ingress"),
        (Direction.INGRESS, Hook.XDP, "dynmon_ingress"),
        (Direction.EGRESS, Hook.TC, "dynmon_egress"),
    ],
)
def test_the_object_has_the_program(compiler: Compiler, direction: Direction, hook: Hook, program: str) -> None:
    artifact = compiler.compile(PASS, direction, hook)

    assert program == artifact.program
    assert artifact.object.startswith(b"\x7fELF")
    assert program.encode() in artifact.object
    assert not artifact.cached


def test_the_second_time_comes_from_the_cache(compiler: Compiler, tmp_path: Path) -> None:
    """Also in the next process; other code, another direction or another hook is another object."""
    first = compile_ingress(compiler, PASS)
    again = compile_ingress(compiler, PASS)
    with Compiler(tmp_path / "cache", CompileLimits()) as other:
        later = compile_ingress(other, PASS)

    assert (True, first.object) == (again.cached, again.object)
    assert (True, first.object) == (later.cached, later.object)
    assert not compile_ingress(compiler, PASS + "\n").cached
    assert not compiler.compile(PASS, Direction.EGRESS, Hook.TC).cached
    assert not compiler.compile(PASS, Direction.INGRESS, Hook.XDP).cached


def test_warnings_are_told_and_kept(compiler: Compiler) -> None:
    source = "\n" + HANDLER + "\n{\n\tint x;\n\tif (x)\n\t\treturn RX_DROP;\n\treturn RX_OK;\n}\n"
    (warning,) = compile_ingress(compiler, source).warnings

    assert ("warning", 5, "\tif (x)") == (warning.severity, warning.line, warning.source_line)
    assert (warning,) == compile_ingress(compiler, source).warnings


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_findings_are_in_the_users_own_lines(compiler: Compiler, newline: str) -> None:
    source = newline.join(["BPF_ARRAY(A, u64, 1);", "", HANDLER, "{", "\treturn A.lookup(nothing);", "}", ""])

    assert (
        Diagnostic("ingress", 5, 18, "error", "use of undeclared identifier 'nothing'", "\treturn A.lookup(nothing);"),
    ) == findings(compiler, source)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('BPF_TABLE("nonsense", int, u64, M, 5);', "unsupported map type nonsense"),
        ("BPF_HASH(M, struct nowhere, u64);", "made of 'struct nowhere', which is not declared before it"),
        ("int n; BPF_ARRAY(M, u64, n);", "constant"),
        ("BPF_ARRAY(M); BPF_ARRAY(M);", "map 'M' is declared twice"),
        ("#include <nowhere.h>", "'nowhere.h' file not found"),
        ("#include <stdio.h>", "'stdio.h' file not found"),
        ("static int f(void) { return undeclared(1); }", "undeclared"),
        ("static int f(struct CTXTYPE *ctx) { return call_ingress_program(ctx, 1); }", "one program in each direction"),
        ("static int f(struct CTXTYPE *c, struct pkt_metadata *m) { return pcn_pkt_redirect(c, m, 1); }", "no ports"),
        ("BPF_ARRAY(M, struct pkt_metadata); static void f(void) { M.increment(1); }", "leaf is an integer"),
        ('static void f(void) { pcn_log(0, LOG_INFO, "", 1, 2, 3, 4, 5); }', "at most four arguments"),
        (f'static void f(void) {{ pcn_log(0, LOG_INFO, "{"x" * 512}"); }}', "longer than 511 bytes"),
        ("int handle_rx(struct CTXTYPE *ctx);", "conflicting types for 'handle_rx'"),
    ],
)
def test_misuse_is_explained_at_its_line(compiler: Compiler, line: str, words: str) -> None:
    found = findings(compiler, f"\n\n{line}\n{PASS}")

    assert words in found[0].message
    assert (3, line) == (found[0].line, found[0].source_line)


def test_a_missing_handler_is_named(compiler: Compiler) -> None:
    (found,) = findings(compiler, "int x;\n")

    assert found.message.startswith("handle_rx is not defined: the code must have a function static")


def test_findings_of_libbpf_c_name_their_own_path(compiler: Compiler) -> None:
    """The same object for both directions and hooks, but not out of one entry of the cache."""
    both = [compiler.compile(LIBBPF, direction, Hook.TC) for direction in Direction]

    assert [None, None] == [artifact.program for artifact in both]
    assert both[0].object == both[1].object
    assert ["ingress", "egress"] == [artifact.warnings[0].file for artifact in both]


def test_too_long_a_compilation_is_ended(tmp_path: Path) -> None:
    bomb = "#define A0 1,\n" + "".join(f"#define A{n + 1} {f'A{n} ' * 10}\n" for n in range(12))
    started = time.monotonic()
    with Compiler(tmp_path, CompileLimits(timeout_seconds=1)) as compiler:
        found = findings(compiler, f"{bomb}int x[] = {{A12}};\n{PASS}")

        assert "compiling took longer than 1 seconds" == found[0].message
        assert time.monotonic() - started < 5
        assert compile_ingress(compiler, PASS).object


def test_too_large_an_object_is_refused(tmp_path: Path) -> None:
    with Compiler(tmp_path, CompileLimits(output_bytes=1 << 20)) as compiler:
        found = findings(compiler, f"char big[4 << 20] = {{1}};\n{PASS}")

    assert "the compiler wrote more than 1048576 bytes" == found[0].message


def test_too_much_memory_is_refused(tmp_path: Path) -> None:
    bomb = "#define A0 1,\n" + "".join(f"#define A{n + 1} {f'A{n} ' * 10}\n" for n in range(8))
    with Compiler(tmp_path, CompileLimits(memory_bytes=400 << 20)) as compiler:
        found = findings(compiler, f"{bomb}int x[] = {{A8}};\n{PASS}")

        assert "memory" in found[0].message
        assert compile_ingress(compiler, PASS).object


def test_threads_share_a_compiler(compiler: Compiler) -> None:
    sources = [f"{PASS}// {number}\n" if number % 4 else f"int x = y{number};\n{PASS}" for number in range(24)]

    def attempt(source: str) -> str:
        try:
            return compile_ingress(compiler, source).program
        except CompileError as error:
            return error.diagnostics[0].message

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(attempt, sources))

    assert [
        "dynmon_ingress" if number % 4 else f"use of undeclared identifier 'y{number}'" for number in range(24)
    ] == results


def test_nothing_is_left_open(tmp_path: Path) -> None:
    before = open_descriptors()
    with Compiler(tmp_path, CompileLimits()) as compiler:
        for number in range(5):
            compile_ingress(compiler, f"{PASS}// {number}")
        findings(compiler, "int x = y;")
    compiler.close()

    assert before == open_descriptors()


def test_clang_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ClangNotFound, match="apt-get install clang"):
        Compiler(tmp_path, CompileLimits(), clang="/nowhere/clang")


def test_the_environment_names_a_clang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the caller does."""
    link = tmp_path / "my-clang"
    link.symlink_to(find_toolchain().clang)
    monkeypatch.setenv("DYNMON_CLANG", "/nowhere/clang")

    assert link.resolve() == find_toolchain(str(link)).clang
    with pytest.raises(ClangNotFound, match="/nowhere/clang"):
        Compiler(tmp_path, CompileLimits())


def test_the_daemon_takes_a_clang() -> None:
    assert "clang-19" == parse_arguments(["--clang", "clang-19"]).clang
    assert parse_arguments([]).clang is None


def test_the_cache_may_be_deleted_at_any_time(compiler: Compiler, tmp_path: Path) -> None:
    """What was in it, the headers too, is made again."""
    compile_ingress(compiler, PASS)
    shutil.rmtree(tmp_path / "cache")

    assert not compile_ingress(compiler, PASS).cached
    assert compile_ingress(compiler, PASS).cached


@needs("kernel")
def test_clang_may_be_upgraded_and_removed(tmp_path: Path) -> None:
    """The next compilation runs the clang of now; without one, only what is in the cache is to be had."""
    public = Path(tempfile.mkdtemp(prefix="dynmon-test-", dir="/var/tmp"))
    clang, installed = public / "clang", Path(shutil.which("clang") or "").resolve()
    try:
        public.chmod(0o755)
        shutil.copy(installed, clang)
        with Compiler(tmp_path, CompileLimits(), clang=str(clang)) as compiler:
            compile_ingress(compiler, PASS)
            clang.unlink()
            shutil.copy(installed, clang)
            assert compile_ingress(compiler, PASS + "int upgraded;").object

            clang.unlink()
            assert compile_ingress(compiler, PASS + "int upgraded;").cached
            with pytest.raises(ClangNotFound):
                compile_ingress(compiler, PASS + "int removed;")
    finally:
        shutil.rmtree(public)


def test_source_that_is_not_text(compiler: Compiler) -> None:
    """Half a character from JSON, a NUL byte and no newline at the end are no reason to fail."""
    assert compile_ingress(compiler, PASS + "// \ud800 \u00e9").object
    assert compile_ingress(compiler, PASS + "// \0").object


def test_a_library_is_built_once(compiler: Compiler, tmp_path: Path) -> None:
    """C of our own, for this machine: a shared library, the second time from the disk."""
    source = b"int answer(void) { return 42; }\n"
    library = compiler.shared_object(source)
    (kept,) = (tmp_path / "cache").glob("*.object")
    written = kept.stat().st_ino

    assert b"\x7fELF" == library[:4]
    assert library == compiler.shared_object(source)
    assert [written] == [path.stat().st_ino for path in (tmp_path / "cache").glob("*.object")]


def test_a_library_that_does_not_compile(compiler: Compiler) -> None:
    """The error has clang's first words."""
    with pytest.raises(SandboxError, match=r"compile a library: .*error: "):
        compiler.shared_object(b"int answer(void) { return fourty_two; }\n")


def test_a_library_without_a_linker(compiler: Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LinkerNotFound, match="apt-get install binutils"):
        compiler.shared_object(b"int answer(void) { return 42; }\n")
