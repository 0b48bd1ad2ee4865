"""A run's result on the screen: the kit's result.json, once judged and stored, read with care all the same."""

import json
from dataclasses import dataclass, field
from typing import Any, Self

from faelleslab_hub.runs.models import Run
from faelleslab_hub.runs.result import RunResult


@dataclass(frozen=True)
class Result:
    """Cells, hashes and files of a run; empty while there is none."""

    cells: list[dict[str, Any]] = field(default_factory=list)
    hashes: list[tuple[str, str]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None

    @classmethod
    def of(cls, run: Run) -> Self:
        """Read the result of a run."""
        try:
            found = RunResult.model_validate_json(run.result or "")
        except ValueError:
            return cls(hashes=[("Notesbog", run.notebook_sha256)])
        return cls(
            cells=[cell.model_dump() for cell in found.cells],
            hashes=[("Notesbog", run.notebook_sha256), *_hashes(found.hashes)],
            outputs=[output.model_dump() for output in found.outputs],
            cpu_seconds=found.cpu_seconds,
            peak_memory_bytes=found.peak_memory_bytes,
        )


def parameters(run: Run) -> list[tuple[str, str]]:
    """Give a run's parameters as text: typed once they were judged, else as given."""
    try:
        found = json.loads(run.parameters or run.given)
    except (ValueError, RecursionError):
        return []
    if not isinstance(found, dict):
        return []
    return [
        (str(name), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in found.items()
    ]


def _hashes(hashes: dict[str, Any]) -> list[tuple[str, str]]:
    names = {"parameters": "Parametre", "image": "Image"}
    rows = [(names[key], str(hashes[key])) for key in names if hashes.get(key)]
    data = hashes.get("data")
    if isinstance(data, dict):
        rows += [(f"Data: {name}", str(value)) for name, value in data.items()]
    return rows
