"""What the placer asks the rows for, and whose turn it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from faelleslab_hub import database
from faelleslab_hub.runs.models import Inspection, Run
from faelleslab_hub.runs.states import Stage
from faelleslab_hub.settings import Settings

# One statement, built once: the placer asks this at every turn, and building it cost more than answering it.
_OPEN: Any = sa.union_all(
    sa.select(
        sa.literal("waiting").label("kind"),
        Run.tenant.label("name"),
        sa.func.min(Run.created_at).label("since"),
        sa.func.count().label("n"),
    )
    .where(Run.stage == Stage.WAITING.value)
    .group_by(Run.tenant),
    sa.select(sa.literal("requested"), Inspection.run_id, Inspection.requested_at, sa.literal(1))
    .join(Run, Run.id == Inspection.run_id)
    .where(Inspection.state == "REQUESTED", Run.stage == Stage.INSPECTING.value),
    sa.select(sa.literal("stopping"), Run.id, Run.started_at, sa.literal(1)).where(
        Run.stage == Stage.EXECUTING.value, Run.stopping.is_not(None)
    ),
).order_by("since")


@dataclass(frozen=True)
class Open:
    """What there is to do: all small, however long the history is.

    ``waiting`` gives each tenant's oldest waiting time (``n_waiting`` rows in all), ``requested`` the ids of runs to
    inspect, oldest first, and ``stopping`` those of running rows that someone wants stopped.
    """

    waiting: dict[str, datetime] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)
    stopping: list[str] = field(default_factory=list)
    n_waiting: int = 0


def look(settings: Settings) -> Open:
    """Read what is open."""
    waiting, requested, stopping, n_waiting = {}, [], [], 0
    with database.session(settings, read_only=True) as session:
        for kind, name, since, n in session.connection().execute(_OPEN):
            if kind == "waiting":
                waiting[name] = since
                n_waiting += n
            elif kind == "requested":
                requested.append(name)
            else:
                stopping.append(name)
    return Open(waiting, requested, stopping, n_waiting)


def requested(settings: Settings, run_id: str) -> tuple[Inspection, Run] | None:
    """Give an inspection that waits for its place, with its run."""
    with database.session(settings, read_only=True) as session:
        inspection, run = session.get(Inspection, run_id), session.get(Run, run_id)
        return (inspection, run) if inspection and run and inspection.state == "REQUESTED" else None


def oldest(settings: Settings, tenant: str) -> Run | None:
    """Give a tenant's run that has waited longest."""
    with database.session(settings, read_only=True) as session:
        return session.scalar(
            sa.select(Run)
            .where(Run.stage == Stage.WAITING.value, Run.tenant == tenant)
            .order_by(Run.created_at, Run.id)
            .limit(1)
        )


def unfinished(settings: Settings) -> tuple[list[Run], list[tuple[Inspection, Run]]]:
    """Give what was under way when the last placer went: executing runs and placed inspections."""
    with database.session(settings, read_only=True) as session:
        runs = session.scalars(sa.select(Run).where(Run.stage == Stage.EXECUTING.value))
        placed = session.execute(
            sa.select(Inspection, Run).join(Run, Run.id == Inspection.run_id).where(Inspection.state == "PLACED")
        )
        return list(runs), [(inspection, run) for inspection, run in placed]


def next_tenant(
    waiting: Mapping[str, datetime], running: Mapping[str, int], last_served: Mapping[str, int]
) -> str | None:
    """Choose whose run comes next: fewest running, then longest since served, then the oldest waiting.

    Parameters
    ----------
    waiting : mapping of tenant to datetime
        Tenants with something waiting, and since when.
    running : mapping of tenant to int
        How many of each tenant's runs are under way.
    last_served : mapping of tenant to int
        A number that grows with each placing; tenants never served are left out.
    """
    if not waiting:
        return None
    return min(waiting, key=lambda t: (running.get(t, 0), last_served.get(t, -1), waiting[t], t))
