"""Every change of a run: one compare-and-set and its audit event in one transaction.

A change that finds the row already moved on does nothing and says False; it is never an error, since the placer may be
killed and started again between any two of them.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from faelleslab_hub import audit, database
from faelleslab_hub.runs import upload
from faelleslab_hub.runs.models import Inspection, Run
from faelleslab_hub.runs.result import RunResult
from faelleslab_hub.runs.states import EXIT_CODES, MESSAGES, STEPS, Reason, Stage, Step, check_reason, state_of
from faelleslab_hub.runs.verdict import Verdict
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenant

MAX_INSPECTIONS = 3


def submit(
    settings: Settings,
    tenant: Tenant,
    name: str,
    content: bytes,
    given: Mapping[str, str],
    *,
    timeout_s: int,
    submitted_by: str | None,
    personal: Mapping[str, Any] | None = None,
) -> str:
    """Record a new run with its notebook and parameters as given; gives its id.

    Raises
    ------
    UploadError
        FL-R101 for the name, FL-R104 when the files cannot be written.
    """
    name = upload.check_name(name)
    now = datetime.now(UTC)
    run_id = f"{now:%y%m%d}-{secrets.token_hex(5)}"
    salt = secrets.token_hex(16)
    text = json.dumps(dict(given), ensure_ascii=False)
    digest = upload.store(settings, tenant.code, run_id, name, content, text)
    try:
        with database.session(settings) as session:
            session.add(
                Run(
                    id=run_id,
                    tenant=tenant.code,
                    notebook=name,
                    notebook_sha256=digest,
                    given=text,
                    salt=salt,
                    submitted_by=submitted_by,
                    timeout_s=timeout_s,
                    state=state_of(Stage.INSPECTING, None).value,
                    stage=Stage.INSPECTING.value,
                    created_at=now,
                    attempt=0,
                )
            )
            session.flush()
            session.add(
                Inspection(run_id=run_id, tenant=tenant.code, state="REQUESTED", attempt=0, requested_at=now, cut=False)
            )
            audit.append(
                session,
                chain=tenant.code,
                type="run.submitted",
                actor=submitted_by,
                subject=run_id,
                details={"notebook_sha256": digest, "parameters_hash": _salted(salt, text), "timeout_s": timeout_s},
                personal=personal,
            )
    except BaseException:
        upload.discard(settings, tenant.code, run_id)
        raise
    return run_id


def get(settings: Settings, run_id: str) -> Run | None:
    """Give one run as it is now."""
    with database.session(settings, read_only=True) as session:
        return session.get(Run, run_id)


def claim(settings: Settings, run: Run, *, token: str, boot: str, image: str) -> Run | None:
    """Take a waiting run for its one attempt and give it as it is then; None when someone else was first."""
    with database.session(settings) as session:
        if not _advance(
            session,
            run.id,
            Step.CLAIM,
            claim=None,
            values={
                "claim": token,
                "boot": boot,
                "image": image,
                "attempt": Run.attempt + 1,
                "started_at": datetime.now(UTC),
            },
        ):
            return None
        audit.append(
            session,
            chain=run.tenant,
            type="run.started",
            actor=run.submitted_by,
            subject=run.id,
            details={"image": image, "attempt": run.attempt + 1},
        )
        return session.get(Run, run.id)


def adopt(settings: Settings, run: Run, *, token: str) -> bool:
    """Take over a running attempt of a placer that is gone; from then on the old one can change nothing."""
    with database.session(settings) as session:
        changed = session.execute(
            sa.update(Run)
            .where(Run.id == run.id, Run.stage == Stage.EXECUTING.value, Run.claim == run.claim)
            .values(claim=token)
        )
        return _one(changed)


def mark_stopping(settings: Settings, run_id: str, reason: Reason) -> bool:
    """Note why a running attempt is about to be stopped; the first reason stays."""
    with database.session(settings) as session:
        changed = session.execute(
            sa.update(Run)
            .where(Run.id == run_id, Run.stage == Stage.EXECUTING.value, Run.stopping.is_(None))
            .values(stopping=reason.value)
        )
        return _one(changed)


def withdraw(settings: Settings, run_id: str, *, by: str | None) -> bool:
    """Cancel a run: at once while it waits, through the placer while it runs; False when it had ended."""
    with database.session(settings) as session:
        run = session.get(Run, run_id)
        if run is None:
            return False
        if _advance(session, run_id, Step.WITHDRAW, values=_end_values(Reason.CANCELLED)):
            _end_event(session, run, Reason.CANCELLED, actor=by)
            return True
    return mark_stopping(settings, run_id, Reason.CANCELLED)


def finish(settings: Settings, run: Run, verdict: Verdict, result: RunResult | None, *, token: str) -> bool:
    """Give a running attempt its terminal state; False when it is no longer ours or has one already."""
    with database.session(settings) as session:
        values = _end_values(verdict.reason, verdict.message)
        values["result"] = None if result is None else result.stored()
        if not _advance(session, run.id, Step.END, reason=verdict.reason, claim=token, values=values):
            return False
        _end_event(session, run, verdict.reason, result=result)
        return True


def accept(settings: Settings, run: Run, parameters: Mapping[str, Any]) -> bool:
    """Store the typed parameters of an accepted upload and let the run wait for its place."""
    text = json.dumps(dict(parameters), ensure_ascii=False)
    with database.session(settings) as session:
        if not _judged(session, run.id) or not _advance(session, run.id, Step.ACCEPT, values={"parameters": text}):
            return False
        audit.append(
            session,
            chain=run.tenant,
            type="run.inspected",
            actor=run.submitted_by,
            subject=run.id,
            details={"accepted": True, "parameters_hash": _salted(run.salt, text)},
        )
        return True


def refuse(settings: Settings, run: Run, reason: Reason, message: str, *, code: str) -> bool:
    """End a run whose upload was not accepted."""
    with database.session(settings) as session:
        if not _judged(session, run.id):
            return False
        if not _advance(session, run.id, Step.REFUSE, reason=reason, values=_end_values(reason, message)):
            return False
        audit.append(
            session,
            chain=run.tenant,
            type="run.inspected",
            actor=run.submitted_by,
            subject=run.id,
            details={"accepted": False, "code": code},
        )
        _end_event(session, run, reason)
        return True


def _judged(session: Session, run_id: str) -> bool:
    # The answer itself is not kept: it may hold what the notebook's parameters hold.
    return _one(
        session.execute(
            sa.update(Inspection)
            .where(Inspection.run_id == run_id, Inspection.state == "ANSWERED")
            .values(state="JUDGED", answer=None)
        )
    )


def _advance(
    session: Session,
    run_id: str,
    step: Step,
    *,
    values: dict[str, Any],
    reason: Reason | None = None,
    claim: str | None = None,
) -> bool:
    """Move a run by one step of `states.STEPS`, if it stands where the step begins and the claim is this one."""
    origins, target = STEPS[step]
    reason = Reason(values["reason"]) if values.get("reason") else reason
    check_reason(step, reason)
    where = [Run.id == run_id, Run.stage.in_([stage.value for stage in sorted(origins)])]
    where.append(Run.claim.is_(None) if claim is None else Run.claim == claim)
    changed = session.execute(
        sa.update(Run).where(*where).values(stage=target.value, state=state_of(target, reason).value, **values)
    )
    return _one(changed)


def _one(changed: Any) -> bool:
    return bool(changed.rowcount == 1)


def _end_values(reason: Reason | None, message: str = "") -> dict[str, Any]:
    return {
        "reason": None if reason is None else reason.value,
        "exit_code": EXIT_CODES[reason],
        "message": message or MESSAGES[reason],
        "ended_at": datetime.now(UTC),
    }


def _end_event(
    session: Session, run: Run, reason: Reason | None, *, result: RunResult | None = None, actor: str | None = None
) -> None:
    details: dict[str, Any] = {
        "state": state_of(Stage.ENDED, reason).value,
        "reason": None if reason is None else reason.value,
        "exit_code": EXIT_CODES[reason],
        "notebook_sha256": run.notebook_sha256,
        "image": run.image,
    }
    if result is not None:
        # One hash for all outputs: an event is small, a run may leave hundreds of files.
        listing = "\n".join(sorted(f"{output.sha256} {output.path}" for output in result.outputs))
        details |= {"outputs": len(result.outputs), "outputs_hash": hashlib.sha256(listing.encode()).hexdigest()}
    audit.append(
        session, chain=run.tenant, type="run.ended", actor=actor or run.submitted_by, subject=run.id, details=details
    )


def _salted(salt: str, text: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + text.encode()).hexdigest()
