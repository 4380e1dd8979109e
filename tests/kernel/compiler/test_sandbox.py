"""clang reads its libraries and the headers; nothing else of the host, whatever the source says."""

from __future__ import annotations

import os
import resource
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynmon.compiler.headers import headers_digest, install_headers
from dynmon.compiler.sandbox import Outcome, Sandbox, _Run
from dynmon.compiler.spelling import Spelling
from dynmon.compiler.toolchain import Toolchain, find_toolchain, flags_for
from dynmon.errors import KernelError
from dynmon.models import Direction, Hook
from dynmon.settings import CompileLimits
from tests.support import needs, open_descriptors, run, wait_until

pytestmark = needs("kernel", "clang")
PASS = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) { return RX_OK; }\n"
SECRET = "the-secret-of-this-host"
FLAGS = flags_for(Spelling.DIALECT, Direction.INGRESS, Hook.TC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache as the daemon has it: nobody else may enter it."""
    tmp_path.chmod(0o700)
    return install_headers(tmp_path, headers_digest())


@pytest.fixture(params=["landlock", "bubblewrap"])
def sandbox(request: pytest.FixtureRequest, folder: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(find_toolchain(), folder, CompileLimits(), bubblewrap=request.param == "bubblewrap")
    yield sandbox
    sandbox.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that everybody may read, but for the sandbox."""
    path = Path(f"/var/tmp/dynmon-test-{os.getpid()}")
    path.write_text(f"#error {SECRET}\n")
    path.chmod(0o644)
    yield path
    path.unlink()


def compile_in(sandbox: Sandbox, source: str) -> Outcome:
    return sandbox.run(FLAGS, source.encode())


def test_code_compiles(sandbox: Sandbox) -> None:
    outcome = compile_in(sandbox, PASS)

    assert (0, "", "") == (outcome.status, outcome.messages, outcome.stopped)
    assert outcome.output.startswith(b"\x7fELF")


READERS = [
    '#include "{path}"\n',
    "#include <../../../../../../..{path}>\n",
    '#include_next "{path}"\n',
    '#import "{path}"\n',
    '#if __has_include("{path}")\n#include "{path}"\n#else\n#error hidden\n#endif\n',
    '__asm__(".incbin \\"{path}\\"");\n',
    '__asm__(".include \\"{path}\\"");\n',
    'static void f(void) {{ asm volatile(".incbin \\"{path}\\""); }}\nvoid g(void) {{ f(); }}\n',
    '#pragma GCC dependency "{path}"\n#error reached\n',
]


@pytest.mark.parametrize("reader", READERS)
def test_files_of_the_host_cannot_be_read(sandbox: Sandbox, secret: Path, reader: str) -> None:
    outcome = compile_in(sandbox, reader.format(path=secret) + PASS)

    assert outcome.status > 0
    assert SECRET not in outcome.messages
    assert SECRET.encode() not in outcome.output


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/shadow", "/proc/self/environ", "/proc/self/maps", "/proc/1/cmdline", "/dev/urandom", "/"],
)
def test_well_known_files_cannot_be_read(sandbox: Sandbox, path: str) -> None:
    outcome = compile_in(sandbox, f'__asm__(".incbin \\"{path}\\"");\n{PASS}')

    assert outcome.status > 0
    assert "Could not find incbin file" in outcome.messages


def test_standard_input_cannot_be_read_as_a_file_of_another(sandbox: Sandbox) -> None:
    """What is behind /dev/stdin is the code itself."""
    outcome = compile_in(sandbox, f'#include "/proc/self/fd/0"\n{PASS}')

    assert outcome.status > 0
    assert not outcome.stopped


def test_headers_of_the_c_library_are_not_there(sandbox: Sandbox) -> None:
    assert "'stdio.h' file not found" in compile_in(sandbox, f"#include <stdio.h>\n{PASS}").messages


def run_python(folder: Path, script: str) -> Outcome:
    """Run a script where clang would run, with the library folders that Python needs."""
    python = find_toolchain("/usr/bin/python3")
    library = next(Path("/usr/lib").glob(f"{python.clang.name}*/os.py")).parent
    sandbox = Sandbox(Toolchain(python.clang, (*python.libraries, library)), folder, CompileLimits())
    try:
        return sandbox.run(["-I", "-S", "-"], script.encode())
    finally:
        sandbox.close()


ATTEMPT = """
try:
    {code}
except OSError:
    print("refused")
else:
    print("did")
"""
SURROUNDINGS = """
import os
descriptors = []
for number in range(256):
    try:
        os.fstat(number)
        descriptors.append(number)
    except OSError:
        pass
print(descriptors, dict(os.environ))
"""


def test_what_runs_there_has_no_rights(folder: Path) -> None:
    """Nobody, no capability, no network, no descriptor, no environment, no way to write or to start another program."""
    outcome = run_python(folder, "import os; print(os.getuid(), os.getgid(), os.getgroups())")
    assert "65534 65534 []\n" == outcome.output.decode(), outcome.messages
    tries = {
        "read": "open('/etc/passwd')",
        "write": "open('/tmp/dynmon-was-here', 'w')",
        "list": "__import__('os').listdir('/etc')",
        "run": "__import__('os').execv('/bin/true', ['true'])",
        "connect": "__import__('socket').create_connection(('127.0.0.1', 9000), 1)",
        "send": "__import__('socket').socket(2, 2).sendto(b'x', ('192.0.2.1', 9))",
        "kill": "__import__('os').kill(__import__('os').getppid(), 0)",
        "root": "__import__('os').setuid(0)",
    }
    for what, code in tries.items():
        outcome = run_python(folder, ATTEMPT.format(code=code))
        assert "refused\n" == outcome.output.decode(), f"{what}: {outcome.messages}"
    outcome = run_python(folder, SURROUNDINGS)
    descriptors, environment = outcome.output.decode().split("] ")
    assert "[0, 1, 2" == descriptors
    assert "{}\n" == environment


def test_a_killed_server_is_started_again(folder: Path) -> None:
    sandbox = Sandbox(find_toolchain(), folder, CompileLimits())
    compile_in(sandbox, PASS)
    server = sandbox._server
    assert server is not None
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: server.poll() is not None, "the server to die")

    assert 0 == compile_in(sandbox, PASS).status
    sandbox.close()


def test_a_server_killed_in_the_middle_costs_time_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is compiled once more."""
    sandbox = Sandbox(find_toolchain(), folder, CompileLimits())
    compile_in(sandbox, PASS)
    collect, killed = _Run.collect, []

    def kill_and_collect(run: _Run) -> Outcome:
        server = sandbox._server
        if not killed and server is not None:
            killed.append(server.pid)
            os.kill(server.pid, signal.SIGKILL)
            wait_until(lambda: server.poll() is not None, "the server to die")
        return collect(run)

    monkeypatch.setattr(_Run, "collect", kill_and_collect)

    assert 0 == compile_in(sandbox, PASS).status
    assert 1 == len(killed)
    sandbox.close()


def test_without_descriptors_there_is_an_error_and_nothing_stays_open(folder: Path) -> None:
    sandbox = Sandbox(find_toolchain(), folder, CompileLimits())
    compile_in(sandbox, PASS)
    before = open_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free, refusals = os.dup(0), []
    os.close(lowest_free)
    try:
        for room in range(9):
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + room, hard))
            try:
                compile_in(sandbox, PASS)
            except KernelError as error:
                refusals.append(str(error))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert {"compile eBPF code: Too many open files"} == set(refusals)
    assert before == open_descriptors()
    sandbox.close()


def test_the_server_ends_with_its_daemon(folder: Path) -> None:
    sandbox = Sandbox(find_toolchain(), folder, CompileLimits())
    compile_in(sandbox, PASS)
    server = sandbox._server
    assert server is not None
    sandbox.close()

    assert 0 == server.returncode


def test_the_headers_are_copied_once_and_readable_by_clang_alone(folder: Path) -> None:
    """Below a folder that only we may enter; files that the unprivileged user may read."""
    again = install_headers(folder.parent, headers_digest())

    assert folder == again
    assert 0o700 == stat.S_IMODE(folder.parent.stat().st_mode)
    assert 0o644 == stat.S_IMODE((folder / "include/dialect/dynmon/dialect.h").stat().st_mode)
    assert {"linux", "asm", "asm-generic", "bpf", "uapi"} == {path.name for path in (folder / "sys").iterdir()}
    assert not list(folder.parent.glob(".headers-*"))


def test_the_headers_of_older_versions_go(tmp_path: Path) -> None:
    """They may hold a precompiled vmlinux.h of many megabytes."""
    older = install_headers(tmp_path, "0" * 64)
    newer = install_headers(tmp_path, headers_digest())

    assert older != newer
    assert [newer] == list(tmp_path.iterdir())


@pytest.fixture
def open_repository(repository: Path) -> Iterator[Path]:
    """The project where every user can get at it, also when it lies in somebody's home."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        place = Path(folder)
        place.chmod(0o755)
        run("mount", "--bind", str(repository), folder)
        try:
            yield place
        finally:
            run("umount", folder)


def test_an_unprivileged_caller_is_confined_too(secret: Path, open_repository: Path, repository: Path) -> None:
    """Without root there is no other user to become; Landlock and an empty network remain."""
    installed = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    packages = open_repository / installed.relative_to(repository)
    source = open_repository / "src"
    script = f"""
import tempfile
from pathlib import Path
from dynmon.compiler import CompileError, Compiler
from dynmon.models import Direction, Hook
from dynmon.settings import CompileLimits
with tempfile.TemporaryDirectory() as folder, Compiler(Path(folder), CompileLimits()) as compiler:
    print(len(compiler.compile({PASS!r}, Direction.INGRESS, Hook.TC).object) > 1000)
    try:
        compiler.compile('#include "{secret}"', Direction.INGRESS, Hook.TC)
    except CompileError as error:
        print(error)
"""
    printed = run(
        *["setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups", "env", "-i", "PATH=/usr/bin:/bin"],
        f"PYTHONPATH={packages}:{source}",
        *("PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3", "-c", script),
    )

    assert "True\n" == printed[:5]
    assert "Permission denied" in printed
    assert SECRET not in printed
