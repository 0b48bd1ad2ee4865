"""The one place where the web service asks the database, and where every question is limited to the asker's tenant.

No other module of the service builds a query or names a table (a test reads the sources to make sure).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from faelleslab.errors import AccessError
from faelleslab_hub import audit, database
from faelleslab_hub.audit.models import Chain, Event, Personal
from faelleslab_hub.runs.models import Run
from faelleslab_hub.settings import Settings
from faelleslab_hub.web.identity import OPERATOR, Identity

PER_PAGE = 50


@dataclass(frozen=True)
class RunRow:
    """A run in a list."""

    id: str
    notebook: str
    state: str
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    submitted_by: str | None


@dataclass(frozen=True)
class EventRow:
    """An event in a list; ``account`` is None when it was erased or the asker may not see names."""

    seq: int
    time: str
    type: str
    actor: str | None
    account: str | None
    subject: str | None
    details: dict[str, Any]


class Reader:
    """Reads on behalf of one identity, and cannot be made to read on behalf of another."""

    def __init__(self, settings: Settings, identity: Identity) -> None:
        self._settings = settings
        self._identity = identity

    def runs(self, *, page: int = 1) -> tuple[list[RunRow], bool]:
        """Give one page of runs, newest first, and whether there are more."""
        columns = [getattr(Run, name) for name in RunRow.__dataclass_fields__]
        query = sa.select(*columns).where(*self._own_runs()).order_by(Run.created_at.desc(), Run.id.desc())
        with database.session(self._settings, read_only=True) as session:
            rows = session.execute(query.limit(PER_PAGE + 1).offset((page - 1) * PER_PAGE)).all()
        return [RunRow(*row) for row in rows[:PER_PAGE]], len(rows) > PER_PAGE

    def count_runs(self) -> dict[str, int]:
        """Count runs by state."""
        query = sa.select(Run.state, sa.func.count()).where(*self._own_runs()).group_by(Run.state)
        with database.session(self._settings, read_only=True) as session:
            return {row[0]: row[1] for row in session.execute(query)}

    def run(self, run_id: str) -> Run:
        """Give one run; raises `AccessError` FL-A111 for one that does not exist here, which may be another's."""
        with database.session(self._settings, read_only=True) as session:
            found = session.scalar(sa.select(Run).where(Run.id == run_id, *self._own_runs()))
        if found is None:
            raise not_found()
        return found

    def events(self, *, before: int | None = None) -> tuple[list[EventRow], bool]:
        """Give one page of the asker's own chain, newest first, and whether there are more."""
        chain = self.chain()
        query = (
            sa.select(Event, Personal.content)
            .outerjoin(Personal, sa.and_(Personal.chain == Event.chain, Personal.seq == Event.seq))
            .where(Event.chain == chain)
            .order_by(Event.seq.desc())
            .limit(PER_PAGE + 1)
        )
        if before is not None:
            query = query.where(Event.seq < before)
        with database.session(self._settings, read_only=True) as session:
            rows: Sequence[Any] = session.execute(query).all()
        return [self._event(event, content) for event, content in rows[:PER_PAGE]], len(rows) > PER_PAGE

    def chain(self) -> str:
        """Give the chain the asker may read; raises `AccessError` FL-A112 when none."""
        if not self._identity.may_read_events:
            raise AccessError(
                "FL-A112",
                "Din rolle har ikke adgang til hændelserne.",
                rule="databeskyttelsesrådgiveren læser kommunens hændelser, og it-drift læser driftens.",
                remedy="spørg kommunens databeskyttelsesrådgiver.",
            )
        return self._identity.tenant

    def n_events(self) -> int:
        """Say how long the asker's own chain is."""
        with database.session(self._settings, read_only=True) as session:
            return session.scalar(sa.select(Chain.seq).where(Chain.chain == self.chain())) or 0

    def record(self, type: str, *, subject: str | None = None, **details: Any) -> None:
        """Write that the asker read something; when this fails it must not be shown."""
        who = self._identity
        audit.record(
            self._settings, chain=who.tenant, type=type, actor=who.name, subject=subject, details=details, personal={}
        )

    def record_reading_events(self) -> None:
        """Write that the asker reads the events of her chain; refuses who may not, before writing anything."""
        self.chain()
        self.record("audit.read")

    def _own_runs(self) -> list[sa.ColumnElement[bool]]:
        if not self._identity.may_read_runs:
            raise AccessError(
                "FL-A113",
                "It-drift har ikke adgang til kommunernes kørsler.",
                rule="it-drift passer maskinen og ser ingen data.",
                remedy="spørg en analytiker i kommunen.",
            )
        limits = [Run.tenant == self._identity.tenant]
        if self._identity.own_runs_only:
            limits.append(Run.submitted_by == self._identity.name)
        return limits

    def _event(self, event: Event, content: str | None) -> EventRow:
        # Refused names in the operator's chain may be passwords typed in the wrong field: nobody is shown them.
        named = self._identity.role != OPERATOR
        account = _object(content).get("account") if named else None
        return EventRow(event.seq, event.time, event.type, event.actor, account, event.subject, _object(event.details))


def not_found() -> AccessError:
    """Give the one answer for what does not exist and for what belongs to others."""
    return AccessError(
        "FL-A111", "Siden findes ikke, eller du har ikke adgang til den.", remedy="gå til oversigten, og vælg derfra."
    )


def _object(text: str | None) -> dict[str, Any]:
    # A tampered chain is shown too; the verdict beside it says what is wrong.
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
