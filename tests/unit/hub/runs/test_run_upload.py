"""Taking a notebook in: by name, kind and size; its content is nobody's business here."""

import os
from pathlib import Path

import pytest

from faelleslab_hub.runs import upload
from faelleslab_hub.runs.upload import UploadError


@pytest.mark.parametrize("name", ["t0.ipynb", "Sygefravær 2025 (udkast).ipynb", "a_b-c,d+e.py", "8.py"])
def test_ordinary_names_are_taken(name: str) -> None:
    assert upload.check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "../t0.ipynb",
        "a/b.ipynb",
        "a\nb.ipynb",
        "t0.ipynb\n",
        "a\0.ipynb",
        ".skjult.py",
        "-rf.py",
        "t0.exe",
        "t0",
        "",
        ".ipynb",
        "a\u202eb.py",
        "a\u2028.py",
        "x" * 130 + ".py",
        "æ" * 100 + ".py",
        "a;b.py",
        "$(id).py",
        "\udcff.py",
    ],
)
def test_names_that_could_do_harm_are_refused(name: str) -> None:
    with pytest.raises(UploadError, match="FL-R101") as caught:
        upload.check_name(name)
    assert caught.value.exit_code == 2


def test_two_spellings_of_one_name_are_one() -> None:
    assert upload.check_name("a\u030a.py") == "å.py"


def test_a_link_a_pipe_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("x = 1")
    link, pipe, folder = tmp_path / "link.py", tmp_path / "pipe.py", tmp_path / "folder.py"
    link.symlink_to(tmp_path / "real.py")
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (link, pipe, folder, tmp_path / "missing.py"):
        with pytest.raises(UploadError, match="FL-R102"):
            upload.read_notebook(path)


def test_the_size_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_NOTEBOOK_BYTES", 10)
    path = tmp_path / "t.py"
    path.write_bytes(b"\0" * 10)
    assert upload.read_notebook(path) == ("t.py", b"\0" * 10)
    path.write_bytes(b"\0" * 11)
    with pytest.raises(UploadError, match="FL-R103"):
        upload.read_notebook(path)
