"""Runs of small notebooks in real processes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from faelleslab.jobs.result import Result, from_json
from faelleslab.jobs.runner import run_notebook

# What an example costs says nothing on a shared machine, and the first one pays for imports.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")


@dataclass
class Ran:
    """A run that has ended, and what it left."""

    result: Result
    folder: Path

    @property
    def notebook(self) -> dict:
        return json.loads((self.folder / "bog.ipynb").read_text(encoding="utf-8"))

    @property
    def report(self) -> str:
        return (self.folder / "bog.html").read_text(encoding="utf-8")

    def outputs(self, cell: int = -1) -> list[dict]:
        return [c for c in self.notebook["cells"] if c["cell_type"] == "code"][cell]["outputs"]

    def text(self, cell: int = -1) -> str:
        """What a cell showed as text: streams and plain results."""
        return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in self.outputs(cell))


def script(*cells: str) -> str:
    """Return a percent script of code cells; one beginning with ``# %%`` brings its own marker."""
    return "\n".join(c if c.startswith("# %%") else f"# %%\n{c}" for c in cells) + "\n"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ran]:
    """Run code cells and return what came of it, checked against what lies in the folder."""
    n_runs = 0

    def run_cells(*cells: str, parameters: dict | None = None, **options: object) -> Ran:
        nonlocal n_runs
        n_runs += 1
        path = tmp_path / f"run{n_runs}" / "bog.py"
        path.parent.mkdir()
        path.write_text(script(*cells), encoding="utf-8")
        folder = path.parent / "ud"
        result = run_notebook(path, parameters or {}, folder, **options)  # type: ignore[arg-type]
        assert from_json((folder / "result.json").read_bytes()) == result
        assert {p.name for p in folder.iterdir()} >= {"bog.ipynb", "bog.html", "result.json", "files"}
        assert not any(p.name.startswith(".") for p in folder.iterdir()), "working files are left behind"
        return Ran(result, folder)

    return run_cells
