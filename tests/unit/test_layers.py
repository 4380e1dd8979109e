"""A part imports only parts below it; the table in ARCHITECTURE.md says which."""

from __future__ import annotations

import ast
import re

import pytest

ROW = re.compile(r"^\| `([a-z_]+)` \|([^|]*)\|", re.MULTILINE)
DOORS = {
    "ctypes": {"bpf", "compiler/sandbox_server.py", "netdev/namespaces.py", "rendering/native.py"},
    "subprocess": {"compiler"},
    "httpx": {"client.py"},
    "starlette": {"api"},
    "opentelemetry": {"otlp"},
    "uvicorn": {"api", "daemon.py"},
    "pyroute2": {"netdev", "bpf/clsact_filter.py"},
}


def part_of(relative: str) -> str:
    return relative.split("/")[0].removesuffix(".py")


@pytest.fixture(scope="module")
def table(repository):
    text = (repository / "ARCHITECTURE.md").read_text()
    return {part: set(re.findall(r"`([a-z_]+)`", below)) for part, below in ROW.findall(text)}


@pytest.fixture(scope="module")
def imports(repository):
    """Every (file, imported module) of the package."""
    package = repository / "src" / "dynmon"
    found = []
    for file in sorted(package.rglob("*.py")):
        relative = file.relative_to(package).as_posix()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found += [(relative, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.append((relative, node.module))
    return found


def test_the_table_names_every_part(table, imports):
    """A part that nobody described is a part that nobody decided on."""
    parts = {part_of(file) for file, _ in imports} - {"__init__", "__main__"}

    assert parts == set(table)


def test_parts_import_only_what_the_table_allows(table, imports):
    """No import goes up, and none goes sideways unless the table says so."""
    wrong = [
        f"{file} imports {module}"
        for file, module in imports
        if module.startswith("dynmon.")
        and (target := module.split(".")[1]) != part_of(file)
        and target not in table.get(part_of(file), set())
    ]

    assert [] == wrong


def test_the_table_has_no_cycle(table):
    """Parts can be put in an order in which each stands on those before it."""
    done: set[str] = set()
    while ready := {part for part, below in table.items() if part not in done and below <= done}:
        done |= ready

    assert set(table) == done


@pytest.mark.parametrize(("module", "allowed"), DOORS.items())
def test_a_foreign_world_has_one_door(imports, module, allowed):
    """The kernel is behind bpf, clang behind compiler, HTTP behind api and client."""
    users = {file for file, name in imports if name.split(".")[0] == module}
    outside = {file for file in users if part_of(file) not in allowed and file not in allowed}

    assert set() == outside
    assert users, f"nobody imports {module}: the table of doors is out of date"
