"""Judge one answer of a sandbox: is the notebook taken, and with which typed parameters?

Pure: no file, no database. The answer is JSON of a fixed shape; anything else is a refusal, never a crash.
"""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from faelleslab_hub.runs.models import Inspection, Run
from faelleslab_hub.runs.states import MESSAGES, Reason
from faelleslab_hub.runs.untrusted import plain

_Name = Annotated[str, Field(pattern=r"^[^\W\d]\w{0,99}$")]
_Text = Annotated[str, Field(max_length=20_000)]
_Value = str | bool | int | float | None | list[_Text]
_LONGEST_MESSAGE = 1500


class Answer(BaseModel):
    """What `python -m faelleslab.jobs.inspection` prints."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    version: Annotated[int, Field(ge=1, le=1)]
    code: Annotated[str, Field(pattern=r"^FL-[A-Z]\d{3}$")] | None
    fault: Annotated[str, Field(max_length=20_000)] | None
    cells: Annotated[int, Field(ge=0, lt=100_000)]
    parameters: Annotated[dict[_Name, _Value], Field(max_length=500)]


@dataclass(frozen=True)
class Judgement:
    """Accepted when ``reason`` is None."""

    reason: Reason | None = None
    message: str = ""
    code: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


def judge(inspection: Inspection, run: Run) -> Judgement:
    """Judge an answered inspection."""
    match inspection.outcome:
        case "ENDED":
            return _judge_answer(inspection, run)
        case "UNPLACED":
            # Our own sentence (an image is missing), not the sandbox's.
            return Judgement(Reason.INTERNAL_ERROR, plain(inspection.answer or "", 600), "FL-R110")
        case "LOST" | None:
            return Judgement(Reason.INTERNAL_ERROR, MESSAGES[Reason.INTERNAL_ERROR] + " (FL-R110)", "FL-R110")
        case _:
            return _refused(
                run,
                "FL-R111",
                "kunne ikke læses inden for modtagekontrollens grænser for tid og hukommelse",
                "gør notesbogen mindre, eller gem den igen fra JupyterLab",
            )


def _judge_answer(inspection: Inspection, run: Run) -> Judgement:
    try:
        answer = None if inspection.cut else Answer.model_validate(json.loads(inspection.answer or ""))
    except (ValueError, RecursionError, ValidationError):
        answer = None
    if answer is None:
        return _refused(run, "FL-R112", "gav et ugyldigt svar i modtagekontrollen", "gem den igen fra JupyterLab")
    if answer.code is not None or answer.fault:
        message = plain(answer.fault or "", _LONGEST_MESSAGE) or MESSAGES[Reason.REFUSED]
        return Judgement(Reason.REFUSED, message, answer.code or "FL-R112")
    # A parameter nobody gave may come from the notebook; one that was given must not vanish on the way.
    if not set(json.loads(run.given)) <= set(answer.parameters):
        return _refused(run, "FL-R112", "gav et ugyldigt svar i modtagekontrollen", "gem den igen fra JupyterLab")
    return Judgement(parameters=dict(answer.parameters))


def _refused(run: Run, code: str, what: str, remedy: str) -> Judgement:
    return Judgement(Reason.REFUSED, f"Notesbogen '{plain(run.notebook, 80)}' {what}. Gør: {remedy}. ({code})", code)
