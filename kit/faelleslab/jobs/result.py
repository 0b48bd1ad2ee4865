"""What a run came to: the states, the reasons, the exit codes, and ``result.json``.

``result.json``, schema version 1 (a JSON object; a reader must accept unknown keys)::

    schema_version      1
    state               "SUCCEEDED" | "FAILED"
    reason              null when succeeded, else one of REASONS
    exit_code           integer, see EXIT_CODES
    code                null when succeeded, else the error code (FL-R…, FL-P…)
    message             Danish sentence; holds neither values of data nor of parameters, and no exception's text
    error_class         class name of the error in a failing cell ("ValueError"), else null
    cells               [{"index": number of the cell as in "[3]", "label": nearest heading, "seconds": float or null,
                          "state": "DONE" | "FAILED" | "INTERRUPTED" | "NOT_RUN"}]
    started_at          ISO 8601, UTC
    ended_at            ISO 8601, UTC
    cpu_seconds         float, the notebook's process, what it waited for, and the supervisor
    peak_memory_bytes   integer, the notebook's process
    memory_kills        integer, processes of the memory group that the kernel killed during the run (in a container:
                        the run's own; elsewhere perhaps somebody else's)
    outputs_truncated   true when a cell showed more than is kept
    hashes              {"notebook": sha256 of the file, "parameters": sha256 of their canonical JSON,
                         "image": what FAELLESLAB_IMAGE said or null, "data": {name: sha256}}
    outputs             [{"path": relative to the folder, "bytes": integer, "sha256": text}]
    versions            {"faelleslab": …, "python": …, and what the notebook imported}

The file is written last, in one move. A folder without it holds a run that did not end: never a success. Since the
notebook's own code may write in the folder too, a caller believes a success only together with exit code 0.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from faelleslab.errors import RunError

SCHEMA_VERSION = 1
FILE_NAME = "result.json"

SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"

EXIT_CODES = {
    None: 0,
    "REFUSED": 2,
    "CELL_FAILED": 10,
    "KERNEL_DIED": 11,
    "OUT_OF_MEMORY": 12,
    "TIMED_OUT": 13,
    "CANCELLED": 14,
    "INTERNAL_ERROR": 70,
}
REASONS = tuple(reason for reason in EXIT_CODES if reason)

CODES = {
    "CELL_FAILED": "FL-R010",
    "KERNEL_DIED": "FL-R011",
    "OUT_OF_MEMORY": "FL-R012",
    "TIMED_OUT": "FL-R013",
    "CANCELLED": "FL-R014",
    "INTERNAL_ERROR": "FL-R015",
}

DONE, CELL_FAILED, INTERRUPTED, NOT_RUN = "DONE", "FAILED", "INTERRUPTED", "NOT_RUN"


class RefusedRunError(RunError):
    """The run was refused before anything was executed."""

    exit_code = 2


@dataclass
class CellResult:
    """One code cell of a run."""

    index: int
    label: str
    seconds: float | None = None
    state: str = NOT_RUN


@dataclass
class Result:
    """What a run came to; the attributes are the keys of ``result.json``, described in the module."""

    state: str
    reason: str | None
    exit_code: int
    message: str
    started_at: str
    ended_at: str
    code: str | None = None
    error_class: str | None = None
    cells: list[CellResult] = field(default_factory=list)
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    memory_kills: int = 0
    outputs_truncated: bool = False
    hashes: dict[str, Any] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def succeeded(self) -> bool:
        """Whether every cell was done and the process ended as it should."""
        return self.state == SUCCEEDED

    def as_json(self) -> str:
        """Return the text of ``result.json``."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


def from_json(text: str | bytes) -> Result:
    """Read ``result.json``.

    Raises
    ------
    RefusedRunError
        FL-R009, when it is not a result of schema version 1 whose parts agree with each other.
    """
    try:
        raw = json.loads(text)
        cells = [CellResult(**{k: c.get(k) for k in ("index", "label", "seconds", "state")}) for c in raw["cells"]]
        known = {k: raw[k] for k in Result.__dataclass_fields__ if k in raw and k != "cells"}
        result = Result(**known, cells=cells)
        agree = (result.state == SUCCEEDED) == (result.reason is None)
        if result.schema_version != SCHEMA_VERSION or not agree or EXIT_CODES[result.reason] != result.exit_code:
            raise ValueError
        if result.succeeded and any(c.state != DONE for c in cells):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RefusedRunError("FL-R009", "result.json er ikke et resultat, som denne udgave kan læse.") from None
    return result


def message(reason: str | None, cell: CellResult | None = None, error_class: str = "", detail: str = "") -> str:
    """Return the Danish sentence for how a run ended.

    Parameters
    ----------
    reason : str or None
        None for a success.
    cell : CellResult, optional
        The cell that was running.
    error_class : str
        Class name of a cell's error. Its text may hold data and is never repeated.
    detail : str
        A safe half sentence, such as the signal or the time limit.
    """
    place = f"celle {cell.index} ({cell.label})" if cell else "notesbogen"
    extra = f" ({detail})" if detail else ""
    texts = {
        None: "Kørslen er gennemført.",
        "CELL_FAILED": f"Fejl i {place}: {error_class or 'fejl'}. Gør: åbn rapporten og se cellens fejltekst.",
        "KERNEL_DIED": f"Python-processen døde i {place}{extra}. "
        "Gør: se cellens output i rapporten; den har kaldt noget, der afsluttede processen.",
        "OUT_OF_MEMORY": f"Der var ikke hukommelse nok til {place}. "
        "Gør: læs færre kolonner eller rækker ad gangen, eller bed om mere hukommelse.",
        "TIMED_OUT": f"Kørslen blev standset i {place}, fordi den overskred tidsgrænsen{extra}. "
        "Gør: gør arbejdet mindre, eller sæt en højere tidsgrænse.",
        "CANCELLED": f"Kørslen blev afbrudt i {place}. Gør: start den igen, hvis det ikke var meningen.",
        "INTERNAL_ERROR": f"Kørslen kunne ikke afsluttes ordentligt{extra}. "
        "Gør: prøv igen; sker det igen, så vis it-drift denne besked.",
    }
    return texts[reason]
