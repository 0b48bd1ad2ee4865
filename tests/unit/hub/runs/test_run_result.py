"""result.json as a stranger may write it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab_hub.runs import result
from faelleslab_hub.runs.untrusted import plain, read_regular

GOOD: dict[str, Any] = {
    "state": "SUCCEEDED",
    "reason": None,
    "exit_code": 0,
    "message": "Kørslen er gennemført.",
    "cells": [{"index": 1, "label": "Indlæs", "seconds": 0.5, "state": "DONE"}],
    "outputs": [{"path": "files/tal.xlsx", "bytes": 3, "sha256": "a" * 64}],
    "a key of tomorrow": 1,
}


def _read(folder: Path, content: bytes | dict[str, Any]) -> result.RunResult | None:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "result.json").write_bytes(data)
    return result.read(folder)


def test_a_good_one_is_read(tmp_path: Path) -> None:
    found = _read(tmp_path, GOOD)
    assert found is not None
    assert json.loads(found.stored())["cells"][0]["label"] == "Indlæs"


@pytest.mark.parametrize(
    "change",
    [
        {"state": "DONE"},
        {"exit_code": "0"},
        {"exit_code": 10},
        {"exit_code": True},
        {"reason": "LOST", "state": "FAILED", "exit_code": 75},
        {"state": "FAILED"},
        {"reason": "CELL_FAILED"},
        {"cells": [{"index": 1, "state": "NOT_RUN"}]},
        {"cells": [{"index": -1, "state": "DONE"}]},
        {"cpu_seconds": float("nan")},
        {"outputs": [{"path": "../../etc/passwd", "bytes": 1, "sha256": "a" * 64}]},
        {"outputs": [{"path": "/etc/passwd", "bytes": 1, "sha256": "a" * 64}]},
        {"outputs": [{"path": "a\nb", "bytes": 1, "sha256": "a" * 64}]},
        {"outputs": [{"path": "a", "bytes": 1, "sha256": "x"}]},
        {"message": "x" * 5000},
    ],
)
def test_what_does_not_agree_is_no_result(tmp_path: Path, change: dict[str, Any]) -> None:
    assert _read(tmp_path, {**GOOD, **change}) is None


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 200_000, b" " * (result.MAX_BYTES + 1)]
)
def test_any_bytes_are_survived(tmp_path: Path, content: bytes) -> None:
    assert _read(tmp_path, content) is None


def test_only_an_ordinary_file_is_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(json.dumps(GOOD))
    path = tmp_path / "result.json"
    path.symlink_to(secret)
    assert result.read(tmp_path) is None
    path.unlink()
    os.mkfifo(path)
    assert result.read(tmp_path) is None, "a pipe without a writer would hang the placer"
    path.unlink()
    path.mkdir()
    assert result.read(tmp_path) is None
    assert read_regular(tmp_path / "missing", 10) is None


def test_a_large_one_is_cut_for_the_row(tmp_path: Path) -> None:
    cells = [{"index": i, "label": "x" * 200, "seconds": 1.0, "state": "DONE"} for i in range(3000)]
    found = _read(tmp_path, {**GOOD, "cells": cells})
    assert found is not None
    assert len(found.stored()) < 300_000
    assert json.loads(found.stored())["state"] == "SUCCEEDED"


@given(st.text(), st.integers(1, 50))
def test_a_strangers_text_is_one_short_line(text: str, longest: int) -> None:
    shown = plain(text, longest)
    assert len(shown) <= longest
    assert shown.isprintable()
