"""A run under way: the notebook that is being filled, and what is known of each cell."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from faelleslab.jobs.notebook import has_tag, labels
from faelleslab.jobs.outputs import Outputs
from faelleslab.jobs.parameters import Parameter
from faelleslab.jobs.result import CELL_FAILED, DONE, INTERRUPTED, CellResult

Progress = Callable[[int, int, str], None]


@dataclass
class RunState:
    """What the parent holds of one run.

    Attributes
    ----------
    notebook : dict
        With the parameters injected; filled with outputs as they come.
    title : str
    schema : list of Parameter
    values : dict
    hashes : dict
    started_at : str
        ISO 8601, UTC.
    cells : dict of int to CellResult
        Position in the notebook -> what is known; only cells that are to be run.
    failed : dict or None
        The event of the cell that failed.
    changed : bool
        Something came since the notebook was saved.
    """

    notebook: dict[str, Any]
    title: str
    schema: list[Parameter]
    values: dict[str, Any]
    hashes: dict[str, Any]
    started_at: str
    progress: Progress | None = None
    cells: dict[int, CellResult] = field(default_factory=dict)
    outputs: Outputs = field(default_factory=Outputs)
    failed: dict[str, Any] | None = None
    changed: bool = False
    _running: int | None = None
    _begun: float = 0.0

    def __post_init__(self) -> None:
        named = labels(self.notebook)
        for position, cell in enumerate(self.notebook["cells"]):
            if cell["cell_type"] != "code":
                continue
            # What the file holds of an earlier run must never be taken for this run's.
            cell["outputs"], cell["execution_count"] = [], None
            if cell["source"].strip() and not has_tag(cell, "skip-execution"):
                self.cells[position] = CellResult(len(self.cells) + 1, named[position])

    def job_cells(self) -> list[dict[str, Any]]:
        """Return what the child needs of each cell."""
        cells = self.notebook["cells"]
        return [
            {"i": i, "source": cells[i]["source"], "may_fail": has_tag(cells[i], "raises-exception")}
            for i in self.cells
        ]

    def take(self, event: dict[str, Any]) -> None:
        """Take one event of the child."""
        self.changed = True
        kind = event.get("e")
        if kind == "raw":
            self.outputs.text(event["name"], event["text"])
        elif kind == "start":
            self._begin(event["i"])
        elif kind == "end" and event["i"] == self._running:
            self._close(event)
        elif kind != "end":
            self.outputs.take(event)

    def _begin(self, position: int) -> None:
        known = self.cells[position]
        self._running, self._begun = position, time.monotonic()
        cell = self.notebook["cells"][position]
        cell["execution_count"] = known.index
        self.outputs.begin(cell)
        if self.progress:
            self.progress(known.index, len(self.cells), known.label)

    def _close(self, event: dict[str, Any]) -> None:
        known = self.cells[event["i"]]
        known.seconds = round(time.monotonic() - self._begun, 3)
        known.state = (
            DONE if event["ok"] or has_tag(self.notebook["cells"][event["i"]], "raises-exception") else CELL_FAILED
        )
        if known.state == CELL_FAILED:
            self.failed = event
        self._running = None

    def settle(self, reason: str | None) -> CellResult | None:
        """Mark the cell that was cut off, and return the cell a message should name.

        Parameters
        ----------
        reason : str or None
            Why the run ended.
        """
        if self._running is not None:
            known = self.cells[self._running]
            known.seconds = round(time.monotonic() - self._begun, 3)
            known.state = INTERRUPTED if reason in ("TIMED_OUT", "CANCELLED") else CELL_FAILED
            self._running = None
            return known
        failed = next((c for c in self.cells.values() if c.state == CELL_FAILED), None)
        if failed and reason in ("TIMED_OUT", "CANCELLED"):  # our own interrupt ended it, not an error of its own
            failed.state, self.failed = INTERRUPTED, None
        return failed

    def all_done(self) -> bool:
        """Whether every cell was seen to end well."""
        return all(c.state == DONE for c in self.cells.values())

    def error_class(self) -> str:
        """Return the class name of the failing cell's error; its text is never taken along."""
        name = str((self.failed or {}).get("error") or "")
        return name if re.fullmatch(r"\w{1,80}", name) else ("fejl" if self.failed else "")

    def note(self, position_of: CellResult | None, text: str) -> None:
        """Show in the notebook why the process went: it could not say so itself."""
        for position, known in self.cells.items():
            if known is position_of:
                error = {"output_type": "error", "ename": "Kørsel", "evalue": text, "traceback": [text]}
                self.notebook["cells"][position]["outputs"].append(error)
