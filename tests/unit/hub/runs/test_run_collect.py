"""Sealing a run's output, as a hostile notebook may have left it."""

import os
import stat
from pathlib import Path

import pytest

from faelleslab_hub.placer.collect import seal


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_ordinary_files_stay_and_cannot_be_changed(tmp_path: Path) -> None:
    out = tmp_path / "output"
    (out / "files").mkdir(parents=True)
    (out / "t0.html").write_text("<p>")
    (out / "files" / "tal.xlsx").write_bytes(b"x")
    (out / "files" / "tal.xlsx").chmod(0o6777)
    assert seal(out) == []
    assert _mode(out) == _mode(out / "files") == 0o550
    assert _mode(out / "files" / "tal.xlsx") == _mode(out / "t0.html") == 0o440
    assert (out / "t0.html").stat().st_uid == os.getuid()
    assert seal(out) == [], "a second time changes nothing"


def test_links_and_devices_go_and_their_targets_stay(tmp_path: Path) -> None:
    out, outside = tmp_path / "output", tmp_path / "outside"
    out.mkdir()
    outside.mkdir(mode=0o755)
    (outside / "secret").write_text("hemmelig")
    (outside / "secret").chmod(0o600)
    (out / "link").symlink_to(outside / "secret")
    (out / "folder link").symlink_to(outside)
    (out / "hard").hardlink_to(outside / "secret")
    os.mkfifo(out / "pipe")
    assert len(seal(out)) == 4
    assert list(out.iterdir()) == []
    assert (outside / "secret").read_text() == "hemmelig"
    assert _mode(outside / "secret") == 0o600
    assert _mode(outside) == 0o755


def test_the_folder_itself_may_be_a_link_or_missing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o755)
    (tmp_path / "output").symlink_to(target)
    assert seal(tmp_path / "output") == []
    assert _mode(target) == 0o755
    assert seal(tmp_path / "missing") == []


@pytest.mark.parametrize("name", ["d", "x" * 255])
def test_bottomless_folders_are_cut(tmp_path: Path, name: str) -> None:
    out = tmp_path / "output"
    out.mkdir()
    here = os.open(out, os.O_RDONLY)
    for _ in range(1500 if name == "d" else 40):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert "folder" in seal(out)
    depth = sum(1 for _ in out.rglob("*"))
    assert depth < 20


def test_folders_without_rights_are_opened(tmp_path: Path) -> None:
    out = tmp_path / "output"
    (out / "closed").mkdir(parents=True)
    (out / "closed" / "f").write_text("x")
    (out / "closed").chmod(0)
    assert seal(out) == []
    assert _mode(out / "closed" / "f") == 0o440
