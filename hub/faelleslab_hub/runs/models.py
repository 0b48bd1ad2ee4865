"""The tables of runs: one row a run, one row its inspection."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from faelleslab_hub.database import Base, UtcDateTime


class Run(Base):
    """One execution of a notebook for one tenant; `faelleslab_hub.runs.states` says how it may change."""

    __tablename__ = "run"
    __table_args__ = (
        # What the placer asks for at every turn must not grow with the history.
        Index("ix_run_stage_tenant", "stage", "tenant", "created_at"),
        Index("ix_run_tenant_created", "tenant", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(16))
    notebook: Mapped[str] = mapped_column(String(160))
    notebook_sha256: Mapped[str] = mapped_column(String(64))
    # JSON objects: the texts as given, and the typed values the inspection made of them.
    given: Mapped[str] = mapped_column(Text)
    parameters: Mapped[str | None] = mapped_column(Text)
    # Salt of the parameters' hash in the audit chain, so that nobody can guess a value from it.
    salt: Mapped[str] = mapped_column(String(32))
    image: Mapped[str | None] = mapped_column(String(200))
    submitted_by: Mapped[str | None] = mapped_column(String(200))
    timeout_s: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(12))
    stage: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str | None] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempt: Mapped[int] = mapped_column(Integer)
    # Who is at work on the attempt: a random token of one placer; and which boot of the machine it began in.
    claim: Mapped[str | None] = mapped_column(String(32))
    boot: Mapped[str | None] = mapped_column(String(40))
    # Set before the runner is told to stop, so that a placer killed in between still knows why: TIMED_OUT, CANCELLED.
    stopping: Mapped[str | None] = mapped_column(String(20))
    exit_code: Mapped[int | None] = mapped_column(Integer)
    message: Mapped[str | None] = mapped_column(Text)
    # The validated result.json of the kit, as JSON text.
    result: Mapped[str | None] = mapped_column(Text)


class Inspection(Base):
    """The parse of one upload in a throw-away sandbox: placed by the placer, judged by the inspector."""

    __tablename__ = "inspection"
    __table_args__ = (Index("ix_inspection_state", "state", "requested_at"),)

    run_id: Mapped[str] = mapped_column(String(32), ForeignKey("run.id"), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(16))
    # REQUESTED, PLACED, ANSWERED, JUDGED
    state: Mapped[str] = mapped_column(String(12))
    attempt: Mapped[int] = mapped_column(Integer)
    claim: Mapped[str | None] = mapped_column(String(32))
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    placed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # How the sandbox ended (ENDED, TIMED_OUT, OUT_OF_MEMORY, LOST) and what it said: untrusted until judged.
    outcome: Mapped[str | None] = mapped_column(String(20))
    answer: Mapped[str | None] = mapped_column(Text)
    cut: Mapped[bool] = mapped_column(Boolean, default=False)
