"""The life of a run as pure functions: which step may follow which, and what the end is called.

::

    PENDING/INSPECTING ──accept──► PENDING/WAITING ──claim──► RUNNING/EXECUTING ──end──► SUCCEEDED/ENDED
             │                            │                          │                   FAILED/ENDED
             └── refuse, withdraw ────────┴── withdraw ──────────────┴──────────────────►   (with a reason)

Nothing leaves ENDED. Only ``claim`` raises the attempt, and it can happen once. A run that was interrupted by the loss
of its machine is FAILED with LOST; it is never silently run again.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The four states that drive logic."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Stage(StrEnum):
    """Where in its life a run is; finer than the state."""

    INSPECTING = "INSPECTING"
    WAITING = "WAITING"
    EXECUTING = "EXECUTING"
    ENDED = "ENDED"


class Reason(StrEnum):
    """Why a run failed."""

    CELL_FAILED = "CELL_FAILED"
    KERNEL_DIED = "KERNEL_DIED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"
    REFUSED = "REFUSED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    LOST = "LOST"


class Step(StrEnum):
    """What can happen to a run."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    CLAIM = "claim"
    END = "end"


# From which stages a step may be taken, and where it leads.
STEPS: dict[Step, tuple[frozenset[Stage], Stage]] = {
    Step.ACCEPT: (frozenset({Stage.INSPECTING}), Stage.WAITING),
    Step.REFUSE: (frozenset({Stage.INSPECTING}), Stage.ENDED),
    Step.WITHDRAW: (frozenset({Stage.INSPECTING, Stage.WAITING}), Stage.ENDED),
    Step.CLAIM: (frozenset({Stage.WAITING}), Stage.EXECUTING),
    Step.END: (frozenset({Stage.EXECUTING}), Stage.ENDED),
}

# The exit codes of `faelleslab run`; 75 (try again) is ours, since only the hub can know that a machine was lost.
EXIT_CODES: dict[Reason | None, int] = {
    None: 0,
    Reason.CELL_FAILED: 10,
    Reason.KERNEL_DIED: 11,
    Reason.OUT_OF_MEMORY: 12,
    Reason.TIMED_OUT: 13,
    Reason.CANCELLED: 14,
    Reason.REFUSED: 2,
    Reason.INTERNAL_ERROR: 70,
    Reason.LOST: 75,
}

MESSAGES: dict[Reason | None, str] = {
    None: "Kørslen er gennemført.",
    Reason.CELL_FAILED: "En celle i notesbogen fejlede.",
    Reason.KERNEL_DIED: "Programmet bag notesbogen stoppede uventet, før kørslen var færdig.",
    Reason.OUT_OF_MEMORY: "Kørslen brugte mere hukommelse, end den må.",
    Reason.TIMED_OUT: "Kørslen nåede ikke at blive færdig inden for tidsgrænsen.",
    Reason.CANCELLED: "Kørslen blev stoppet.",
    Reason.REFUSED: "Notesbogen eller dens parametre blev afvist.",
    Reason.INTERNAL_ERROR: "Kørslen kunne ikke gennemføres på grund af en fejl i arbejdsbordet.",
    Reason.LOST: "Kørslen gik tabt, fordi maskinen eller containeren forsvandt undervejs. Den er ikke kørt igen.",
}


@dataclass(frozen=True)
class Position:
    """Where one run is: all that decides which step may follow."""

    stage: Stage = Stage.INSPECTING
    reason: Reason | None = None
    attempt: int = 0

    @property
    def state(self) -> State:
        """The state that follows from stage and reason."""
        return state_of(self.stage, self.reason)


def state_of(stage: Stage, reason: Reason | None) -> State:
    """Give the state of a run in a stage; the reason counts only at the end."""
    if stage is Stage.ENDED:
        return State.SUCCEEDED if reason is None else State.FAILED
    return State.RUNNING if stage is Stage.EXECUTING else State.PENDING


def advance(position: Position, step: Step, reason: Reason | None = None) -> Position:
    """Take a step; raises `ValueError` when it may not be taken from here.

    Parameters
    ----------
    position : Position
        Where the run is.
    step : Step
        What happens.
    reason : Reason or None
        Why it ends; only ``END`` may go without (success).
    """
    origins, target = STEPS[step]
    if position.stage not in origins:
        message = f"{step} is not possible from {position.stage}"
        raise ValueError(message)
    check_reason(step, reason)
    return Position(target, reason, position.attempt + (step is Step.CLAIM))


def check_reason(step: Step, reason: Reason | None) -> None:
    """Refuse a reason that a step cannot have, and a missing one where it must have one."""
    needs = step in (Step.REFUSE, Step.WITHDRAW)
    may = needs or step is Step.END
    if (needs and reason is None) or (reason is not None and not may):
        message = f"{step} cannot have the reason {reason}"
        raise ValueError(message)
