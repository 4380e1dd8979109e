"""Objects on disk: whole or absent, bounded, nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dynmon.compiler.cache import SUFFIX, ObjectCache
from dynmon.errors import Diagnostic

WARNING = Diagnostic("ingress", 3, 1, "warning", "unused", "int x;")


def test_what_was_put_is_got(tmp_path: Path) -> None:
    ObjectCache(tmp_path).put("key", b"\x7fELF\n\0", (WARNING,))

    assert (b"\x7fELF\n\0", (WARNING,)) == ObjectCache(tmp_path).get("key")
    assert ObjectCache(tmp_path).get("other") is None


def test_the_folder_is_ours_alone(tmp_path: Path) -> None:
    ObjectCache(tmp_path / "deep" / "cache")

    assert 0o700 == (tmp_path / "deep" / "cache").stat().st_mode & 0o777


@pytest.mark.parametrize(
    "damage",
    [lambda whole: whole[:-1], lambda whole: b"", lambda whole: whole + b"x", lambda whole: b"\xff" + whole],
)
def test_a_damaged_entry_counts_as_absent(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    cache = ObjectCache(tmp_path)
    cache.put("key", b"content", ())
    entry = tmp_path / ("key" + SUFFIX)
    entry.write_bytes(damage(entry.read_bytes()))

    assert cache.get("key") is None
    assert not entry.exists()


def test_an_entry_that_others_can_change_counts_as_absent(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.put("key", b"content", ())
    (tmp_path / ("key" + SUFFIX)).chmod(0o620)

    assert cache.get("key") is None


def test_an_entry_that_is_no_file_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / ("key" + SUFFIX)).mkdir()

    assert ObjectCache(tmp_path).get("key") is None


def test_a_deleted_folder_is_made_again(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path / "cache")
    (tmp_path / "cache").rmdir()
    assert cache.get("key") is None
    cache.put("key", b"content", ())

    assert (b"content", ()) == cache.get("key")


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, max_bytes=3500)
    for age, key in enumerate("abc"):
        cache.put(key, bytes(1000), ())
        os.utime(tmp_path / (key + SUFFIX), (age, age))
    assert cache.get("a")  # now the youngest
    cache.put("d", bytes(1000), ())

    assert ["a", "c", "d"] == sorted(path.name.removesuffix(SUFFIX) for path in tmp_path.glob("*" + SUFFIX))


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.put("key", b"first", ())
    cache.put("key", b"second", ())

    assert (b"second", ()) == cache.get("key")
    assert ["key" + SUFFIX] == [path.name for path in tmp_path.iterdir()]
