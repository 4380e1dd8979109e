"""Folders of pins: what is ours goes with us, what is not stays."""

from pathlib import Path

import pytest

from dynmon.bpf import BpfMap, MapType, _syscall
from dynmon.bpf.pins import CannotPin, PinFolder, remove_leftovers

pytestmark = pytest.mark.usefixtures("no_leaks")

BPFFS = Path("/sys/fs/bpf")


@pytest.fixture
def kept():
    with BpfMap.create(MapType.ARRAY, 4, 8, 1, name="kept") as bpf_map:
        yield bpf_map


@pytest.fixture
def root():
    """The daemon's folder; a test leaves nothing in it."""
    folder = BPFFS / "ours"
    yield folder / "cubes"
    (folder / "cubes").rmdir()
    folder.rmdir()


def test_pins_are_there_until_they_are_taken_away(root, kept):
    """And the folder with the last; a dot is a tilde on disk."""
    pins = PinFolder(root, "edge.1")
    assert {"kept", "a.b"} == pins.add({"kept": kept.fd, "a.b": kept.fd})
    assert set() == pins.add({"kept": kept.fd})
    assert ["a~b", "kept"] == sorted(each.name for each in (root / "edge~1").iterdir())

    pins.keep_only({"kept"})
    assert ["kept"] == [each.name for each in (root / "edge~1").iterdir()]
    pins.keep_only(())
    assert [] == list(root.iterdir())


@pytest.mark.parametrize("name", ["../escaped", "a/b", "", "n" * 129, "a~b"])
def test_a_name_never_leaves_the_folder(root, kept, name):
    """None is pinned when one cannot be."""
    with pytest.raises(CannotPin, match="can be the name of a pin"):
        PinFolder(root, "edge").add({"good": kept.fd, name: kept.fd})

    assert [] == list(root.iterdir())


def test_two_owners_do_not_share_a_folder(root, kept):
    """A leftover is a folder that nobody holds."""
    pins = PinFolder(root, "edge")
    pins.add({"kept": kept.fd})
    with pytest.raises(CannotPin, match="another daemon uses the folder") as caught:
        PinFolder(root, "edge").add({"kept": kept.fd})
    remove_leftovers(root)

    assert "--bpffs-dir" in caught.value.hint
    assert (root / "edge" / "kept").exists()
    pins.keep_only(())


def test_leftovers_of_the_killed_are_removed(root, kept):
    (root / "edge").mkdir(parents=True)
    _syscall.object_pin(kept.fd, str(root / "edge" / "kept"))
    remove_leftovers(root)

    assert [] == list(root.iterdir())


def test_a_link_to_the_pins_of_others_is_not_followed(root, kept):
    """Neither to remove leftovers, nor to pin."""
    theirs = BPFFS / "theirs"
    theirs.mkdir()
    _syscall.object_pin(kept.fd, str(theirs / "kept"))
    root.mkdir(parents=True)
    (root / "edge").symlink_to(theirs)
    remove_leftovers(root)
    with pytest.raises(CannotPin):
        PinFolder(root, "edge").add({"kept": kept.fd})

    assert (theirs / "kept").exists()
    (root / "edge").unlink()
    (theirs / "kept").unlink()
    theirs.rmdir()


def test_files_elsewhere_are_no_leftovers(tmp_path, kept):
    """An option that names the wrong folder costs nobody a file."""
    file = tmp_path / "edge" / "kept"
    file.parent.mkdir()
    file.write_text("mine")
    remove_leftovers(tmp_path)
    with pytest.raises(CannotPin, match="not on a BPF filesystem") as caught:
        PinFolder(tmp_path, "edge").add({"kept": kept.fd})
    with pytest.raises(CannotPin):
        PinFolder(tmp_path, "other").add({"kept": kept.fd})

    assert "mount -t bpf" in caught.value.hint
    assert "mine" == file.read_text()
    assert ["edge"] == [each.name for each in tmp_path.iterdir()]
