"""What the placer asks of whatever runs a task: one interface for local processes and for containers.

A runner keeps no state that matters: everything is found again by the task's name, so that a placer that was killed
between any two calls goes on where it stopped. ``start`` may be called twice for one task; a fence (a file that only
one can link) makes the second start do nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from faelleslab_hub.runs.verdict import Ended
from faelleslab_hub.tenants import Tenant

Kind = Literal["run", "inspection"]
Status = Ended | Literal["absent", "running"]

# The most an inspection may say; more than any notebook's parameters need.
MAX_ANSWER_BYTES = 256 * 2**10
INSPECTION_TIMEOUT_S = 60
# How far a run is, in its control folder; written by the kit.
PROGRESS = "progress.json"
# Exit code of a start that found the attempt already begun.
FENCED = 97


@dataclass(frozen=True)
class Task:
    """One inspection or one attempt of a run, with all that its start needs."""

    kind: Kind
    tenant: Tenant
    run_id: str
    attempt: int
    folder: Path
    notebook: str
    timeout_s: int
    image: str

    @property
    def name(self) -> str:
        """Name that no other task of this installation has."""
        return f"{self.kind}-{self.run_id}-{self.attempt}"

    @property
    def control(self) -> Path:
        """Folder of what the runner itself notes about the task: fence, exit code, progress; never shown to anyone."""
        return self.folder / "control"


class RunnerUnavailable(Exception):
    """The engine does not answer or refuses; what was asked may be asked again later."""


class Runner(Protocol):
    """Starts, watches, stops and tidies up tasks."""

    def image(self, tenant: Tenant) -> str:
        """Name exactly what the tenant's runs execute in, by content, not by tag."""
        ...

    def start(self, task: Task) -> None:
        """Start the task, unless it was started before."""
        ...

    def look(self, task: Task) -> Status:
        """Say how the task stands: ended, running, or absent (never started)."""
        ...

    def watch(self, task: Task) -> int | None:
        """Give a descriptor that becomes readable when the task ends, where there is one; the caller closes it."""
        ...

    def stop(self, task: Task, *, force: bool) -> None:
        """Ask the task to stop, or make it."""
        ...

    def settle(self, task: Task) -> None:
        """End whatever an ended task left running, so that its output can be sealed."""
        ...

    def answer(self, task: Task) -> tuple[str, bool]:
        """Give what an ended inspection said, and whether it was cut; untrusted."""
        ...

    def remove(self, task: Task) -> None:
        """Remove what is left of an ended task, except its folders."""
        ...

    def sweep(self, keep: set[str]) -> list[str]:
        """Remove this installation's leftovers that belong to no task in ``keep`` (names); gives their names."""
        ...
