"""The rows of inspections: requested with the run, placed and answered by the placer, judged by the inspector."""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from faelleslab_hub import database
from faelleslab_hub.runs.models import Inspection, Run
from faelleslab_hub.settings import Settings

# An inspection has no side effects, so one whose sandbox vanished is simply done again, a few times.
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Answer:
    """How a sandbox ended and what it said; untrusted."""

    outcome: str
    text: str = ""
    cut: bool = False


def place(settings: Settings, inspection: Inspection, *, token: str) -> bool:
    """Take a requested inspection; False when someone else was first."""
    return _change(
        settings,
        inspection.run_id,
        "REQUESTED",
        inspection.claim,
        state="PLACED",
        claim=token,
        attempt=Inspection.attempt + 1,
        placed_at=datetime.now(UTC),
    )


def adopt(settings: Settings, inspection: Inspection, *, token: str) -> bool:
    """Take over a placed inspection of a placer that is gone."""
    return _change(settings, inspection.run_id, "PLACED", inspection.claim, claim=token)


def request_again(settings: Settings, run_id: str, *, token: str) -> bool:
    """Give an inspection whose sandbox vanished back to the queue."""
    return _change(settings, run_id, "PLACED", token, state="REQUESTED", claim=None)


def answered(settings: Settings, run_id: str, answer: Answer, *, token: str) -> bool:
    """Hand the answer to the inspector."""
    # PostgreSQL stores no NUL; in a JSON text it could only be an error anyway.
    text = answer.text.replace("\0", "\ufffd")
    return _change(
        settings, run_id, "PLACED", token, state="ANSWERED", outcome=answer.outcome, answer=text, cut=answer.cut
    )


def to_judge(settings: Settings, most: int = 20) -> list[tuple[Inspection, Run]]:
    """Give the oldest answered inspections with their runs."""
    with database.session(settings, read_only=True) as session:
        rows = session.execute(
            sa.select(Inspection, Run)
            .join(Run, Run.id == Inspection.run_id)
            .where(Inspection.state == "ANSWERED")
            .order_by(Inspection.requested_at)
            .limit(most)
        )
        return [(inspection, run) for inspection, run in rows]


def _change(settings: Settings, run_id: str, before: str, held_by: str | None, /, **values: object) -> bool:
    where = [Inspection.run_id == run_id, Inspection.state == before]
    where.append(Inspection.claim.is_(None) if held_by is None else Inspection.claim == held_by)
    with database.session(settings) as session:
        changed = session.execute(sa.update(Inspection).where(*where).values(**values))
        return bool(changed.rowcount == 1)  # type: ignore[attr-defined]
