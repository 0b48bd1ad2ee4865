"""Rows of runs on a real SQLite: each change happens once, with its event, or not at all."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from faelleslab_hub import audit, database
from faelleslab_hub.audit.models import Event, Personal
from faelleslab_hub.runs import inspections, queue, store
from faelleslab_hub.runs.models import Inspection, Run
from faelleslab_hub.runs.states import Reason
from faelleslab_hub.runs.upload import UploadError
from faelleslab_hub.runs.verdict import Verdict
from faelleslab_hub.settings import CHECKOUT, Settings
from faelleslab_hub.tenants import Tenants

TENANTS = Tenants.load(CHECKOUT / "hub" / "municipalities")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("FAELLESLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAELLESLAB_MODE", "embedded")
    made = Settings.from_environment()
    database.upgrade(made)
    yield made
    database.engine(made).dispose()


def _submit(settings: Settings, *, tenant: str = "0751", name: str = "t.py") -> Run:
    run_id = store.submit(
        settings,
        TENANTS.get(tenant),
        name,
        b"x = 1",
        {"kode": "0751"},
        timeout_s=60,
        submitted_by="analytiker-0751",
    )
    run = store.get(settings, run_id)
    assert run is not None
    return run


def _answer(settings: Settings, run: Run) -> None:
    found = queue.requested(settings, run.id)
    assert found is not None
    assert inspections.place(settings, found[0], token="p")
    assert inspections.answered(settings, run.id, inspections.Answer("ENDED", "{}"), token="p")


def _waiting(settings: Settings, **more: str) -> Run:
    run = _submit(settings, **more)
    _answer(settings, run)
    assert store.accept(settings, run, {"kode": "0751"})
    return run


def _events(settings: Settings, run: Run) -> list[Event]:
    with database.session(settings, read_only=True) as session:
        return list(session.scalars(sa.select(Event).where(Event.subject == run.id).order_by(Event.seq)))


def _now(settings: Settings, run: Run) -> Run:
    found = store.get(settings, run.id)
    assert found is not None
    return found


def test_a_run_from_row_to_end_leaves_one_event_a_step(settings: Settings) -> None:
    run = _waiting(settings)
    assert store.claim(settings, run, token="a", boot="b", image="sha256:1")
    running = _now(settings, run)
    assert (running.state, running.attempt, running.image) == ("RUNNING", 1, "sha256:1")
    assert store.finish(settings, running, Verdict(None, "Kørslen er gennemført."), None, token="a")
    ended = _now(settings, run)
    assert (ended.state, ended.reason, ended.exit_code, ended.stage) == ("SUCCEEDED", None, 0, "ENDED")
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert [e.type for e in _events(settings, run)] == ["run.submitted", "run.inspected", "run.started", "run.ended"]


def test_no_value_and_no_name_stands_in_the_chain(settings: Settings) -> None:
    run = _waiting(settings)
    text = json.dumps([[e.details, e.actor, e.subject] for e in _events(settings, run)])
    assert "kode" not in text
    assert "analytiker" not in text
    assert "t.py" not in text
    first, second = (json.loads(e.details)["parameters_hash"] for e in _events(settings, _waiting(settings)))
    assert first not in text, "the same values in another run have another hash"
    assert second not in text


def test_only_one_of_many_claims_wins(settings: Settings) -> None:
    run = _waiting(settings)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: store.claim(settings, run, token=f"t{n}", boot="b", image="i"), range(8)))
    taken = [row for row in won if row is not None]
    assert len(taken) == 1
    assert taken[0].claim is not None
    assert _now(settings, run).attempt == 1
    assert [e.type for e in _events(settings, run)].count("run.started") == 1


def test_a_placer_that_lost_its_claim_can_change_nothing(settings: Settings) -> None:
    run = _waiting(settings)
    store.claim(settings, run, token="old", boot="b", image="i")
    assert store.adopt(settings, _now(settings, run), token="new")
    assert not store.finish(settings, run, Verdict(None, "ok"), None, token="old")
    assert _now(settings, run).state == "RUNNING"
    assert store.finish(settings, _now(settings, run), Verdict(Reason.LOST, "tabt"), None, token="new")
    assert not store.finish(settings, run, Verdict(None, "ok"), None, token="new"), "one end only"
    assert (_now(settings, run).reason, _now(settings, run).exit_code) == ("LOST", 75)


def test_when_the_event_cannot_be_written_nothing_happens(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _waiting(settings)

    def broken(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(audit, "append", broken)
    with pytest.raises(OSError, match="disk full"):
        store.claim(settings, run, token="a", boot="b", image="i")
    assert _now(settings, run).state == "PENDING"
    with pytest.raises(OSError, match="disk full"):
        _submit(settings)
    folders = list((settings.home / "runs" / "0751").iterdir())
    assert [f.name for f in folders] == [run.id], "an upload without its row is removed"


def test_a_refused_upload_ends_and_forgets_the_answer(settings: Settings) -> None:
    run = _submit(settings)
    _answer(settings, run)
    assert store.refuse(settings, run, Reason.REFUSED, "Afvist.", code="FL-P002")
    assert not store.accept(settings, run, {})
    ended = _now(settings, run)
    assert (ended.state, ended.reason, ended.exit_code, ended.attempt) == ("FAILED", "REFUSED", 2, 0)
    with database.session(settings, read_only=True) as session:
        assert session.get_one(Inspection, run.id).answer is None


def test_a_waiting_run_is_withdrawn_at_once_and_a_running_one_through_the_placer(settings: Settings) -> None:
    waiting, running = _waiting(settings), _waiting(settings)
    store.claim(settings, running, token="a", boot="b", image="i")
    assert store.withdraw(settings, waiting.id, by=None)
    assert _now(settings, waiting).reason == "CANCELLED"
    assert not store.claim(settings, waiting, token="a", boot="b", image="i")
    assert store.withdraw(settings, running.id, by=None)
    assert queue.look(settings).stopping == [running.id]
    assert _now(settings, running).stopping == "CANCELLED"
    assert not store.mark_stopping(settings, running.id, Reason.TIMED_OUT), "the first reason stays"
    assert not store.withdraw(settings, "nothing", by=None)


def test_a_withdrawn_upload_is_not_inspected(settings: Settings) -> None:
    run = _submit(settings)
    store.withdraw(settings, run.id, by=None)
    assert queue.look(settings).requested == []


def test_a_vanished_inspection_is_asked_for_again(settings: Settings) -> None:
    run = _submit(settings)
    assert queue.look(settings).requested == [run.id]
    found, _ = queue.requested(settings, run.id) or (None, None)
    assert found is not None
    assert inspections.place(settings, found, token="a")
    assert not inspections.place(settings, found, token="b")
    assert not inspections.request_again(settings, run.id, token="b")
    assert inspections.request_again(settings, run.id, token="a")
    again, _ = queue.requested(settings, run.id) or (None, None)
    assert again is not None
    assert again.attempt == 1


def test_what_waits_is_found_by_tenant(settings: Settings) -> None:
    first, _, other = _waiting(settings), _waiting(settings), _waiting(settings, tenant="0461")
    assert queue.look(settings).waiting == {"0751": first.created_at, "0461": other.created_at}
    assert (queue.oldest(settings, "0751") or other).id == first.id
    assert queue.oldest(settings, "kursus") is None


@pytest.mark.parametrize("name", ["../t.py", "a\nb.py", ""])
def test_a_bad_name_makes_no_row(settings: Settings, name: str) -> None:
    with pytest.raises(UploadError):
        _submit(settings, name=name)
    with database.session(settings, read_only=True) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


@pytest.mark.parametrize(
    "values",
    [
        {"state": "SUCCEEDED"},
        {"state": "SUCCEEDED", "stage": "ENDED", "exit_code": 10},
        {"state": "FAILED", "stage": "ENDED", "exit_code": 10},
        {"state": "RUNNING", "stage": "EXECUTING"},
        {"attempt": 1},
    ],
)
def test_the_database_itself_refuses_what_cannot_be(settings: Settings, values: dict[str, object]) -> None:
    run = _submit(settings)
    with pytest.raises(sa.exc.IntegrityError), database.session(settings) as session:
        session.execute(sa.update(Run).where(Run.id == run.id).values(**values))


def test_who_submitted_is_in_the_personal_part_only(settings: Settings) -> None:
    run = _submit(settings)
    with database.session(settings, read_only=True) as session:
        personal = session.scalars(sa.select(Personal.content)).all()
    assert any("analytiker-0751" in content for content in personal)
    assert run.submitted_by == "analytiker-0751"


_ACTS = ["place", "answer", "accept", "refuse", "claim a", "claim b", "adopt b", "finish a", "finish b", "withdraw"]


@given(acts=st.lists(st.sampled_from(_ACTS), max_size=14))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_acts_ends_at_most_once(settings: Settings, acts: list[str]) -> None:
    run = _submit(settings)
    ended = ""
    for act in acts:
        row = _now(settings, run)
        with database.session(settings, read_only=True) as session:
            inspection = session.get_one(Inspection, run.id)
        verb, _, token = act.partition(" ")
        if verb == "place":
            inspections.place(settings, inspection, token="p")
        elif verb == "answer":
            inspections.answered(settings, run.id, inspections.Answer("ENDED", "{}"), token="p")
        elif verb == "accept":
            store.accept(settings, row, {})
        elif verb == "refuse":
            store.refuse(settings, row, Reason.REFUSED, "nej", code="FL-P002")
        elif verb == "claim":
            store.claim(settings, row, token=token, boot="b", image="i")
        elif verb == "adopt":
            store.adopt(settings, row, token=token)
        elif verb == "finish":
            store.finish(settings, row, Verdict(None, "ok"), None, token=token)
        else:
            store.withdraw(settings, run.id, by=None)
        state = _now(settings, run).state
        if ended:
            assert state == ended
        elif state in ("SUCCEEDED", "FAILED"):
            ended = state
    types = [e.type for e in _events(settings, run)]
    assert types.count("run.ended") == (1 if ended else 0)
    assert types.count("run.started") <= 1
