"""Appending: in the caller's transaction, without gaps or forks, whoever else is at it."""

import multiprocessing
import sqlite3
import threading
from contextlib import closing

import pytest
import sqlalchemy as sa
from tests.unit.hub.audit.audit_house import make_settings

from faelleslab.errors import ConfigurationError
from faelleslab_hub import audit, database
from faelleslab_hub.audit.models import Alias, Event, Personal
from faelleslab_hub.settings import Settings

pytestmark = pytest.mark.slow


def test_name_and_address_lie_in_the_personal_part_only(house) -> None:
    event = audit.record(
        house.settings, chain="0751", type="login.succeeded", actor="analytiker-0751", personal={"address": "10.1.1.1"}
    )
    assert event.seq == 1
    assert event.actor.startswith("0751-")
    stored = " ".join(str(value) for row in house.rows("SELECT * FROM audit_event") for value in row)
    assert "analytiker" not in stored
    assert "10.1.1.1" not in stored
    assert "analytiker-0751" in house.rows("SELECT content FROM audit_personal")[0][0]


def test_an_account_keeps_its_opaque_id_in_every_chain(house) -> None:
    first = audit.record(house.settings, chain="0751", type="a.b", actor="dpo-0751")
    second = audit.record(house.settings, chain="drift", type="a.b", actor="dpo-0751")
    other = audit.record(house.settings, chain="0751", type="a.b", actor="analytiker-0751")
    assert first.actor == second.actor != other.actor


def test_event_without_person_has_no_personal_part(house) -> None:
    assert audit.record(house.settings, chain="0751", type="run.ended", subject="r1").personal_hash is None
    assert house.rows("SELECT * FROM audit_personal") == []


def test_event_shares_the_fate_of_its_transaction(house) -> None:
    def act() -> None:
        with database.session(house.settings) as session:
            audit.append(session, chain="0751", type="run.started", actor="x")
            message = "the act failed"
            raise RuntimeError(message)

    with pytest.raises(RuntimeError):
        act()
    assert house.rows("SELECT * FROM audit_event") == []
    assert house.rows("SELECT * FROM account_alias") == []
    assert audit.record(house.settings, chain="0751", type="run.started").seq == 1


def test_several_events_in_one_transaction(house) -> None:
    with database.session(house.settings) as session:
        seqs = [audit.append(session, chain=c, type="a.b", actor="x").seq for c in ("0751", "0461", "0751")]
    assert seqs == [1, 1, 2]
    house.sign()
    assert house.findings() == []


@pytest.mark.parametrize("chain", ["", "751", "07510", "0751\n", "../x", "Drift", "٠٧٥١"])
def test_refuses_strange_chains(house, chain: str) -> None:
    with pytest.raises(ValueError, match="chain"):
        audit.record(house.settings, chain=chain, type="a.b")


def test_hostile_names_are_recorded_all_the_same(house) -> None:
    for name in ("\x00", "\ud800", "x" * 100_000, "' OR 1=1 --", "%_\\", "æøå\n{}", ""):
        audit.record(
            house.settings, chain="drift", type="login.refused", actor=name, subject=name, personal={"name": name}
        )
    house.sign()
    assert house.findings() == []


def test_reading_transaction_cannot_append(house) -> None:
    with database.session(house.settings, read_only=True) as session, pytest.raises(ValueError, match="read-only"):
        audit.append(session, chain="0751", type="a.b")


def test_reading_transaction_cannot_write(house) -> None:
    with (
        pytest.raises(sa.exc.OperationalError, match="readonly"),
        database.session(house.settings, read_only=True) as session,
    ):
        session.execute(sa.insert(Alias).values(alias="a", account="b"))
    # The connection is a writer's again.
    assert audit.record(house.settings, chain="0751", type="a.b").seq == 1


def _append_many(settings: Settings, n_each: int) -> None:
    def work(number: int) -> None:
        for n in range(n_each):
            audit.record(settings, chain="0751", type="a.b", actor=f"konto-{(number + n) % 5}", details={"n": n})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def append_from_two_processes(settings: Settings, n_each: int) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_append_many, args=(settings, n_each)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]


def test_sixteen_writers_make_one_chain(house) -> None:
    append_from_two_processes(house.settings, 10)
    with database.session(house.settings, read_only=True) as session:
        assert session.scalars(sa.select(Event.seq).order_by(Event.seq)).all() == list(range(1, 161))
        assert session.scalar(sa.select(sa.func.count()).select_from(Personal)) == 160
        assert session.scalar(sa.select(sa.func.count()).select_from(Alias)) == 5
    house.sign()
    assert house.findings() == []


def test_several_processes_migrate_at_once(tmp_path) -> None:
    settings = make_settings(tmp_path)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=database.upgrade, args=(settings,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    audit.record(settings, chain="0751", type="a.b")
    database.engine(settings).dispose()


def test_missing_tables_and_a_newer_database_are_told_in_danish(house) -> None:
    house.sql("UPDATE alembic_version SET version_num = '9999_future'")
    with pytest.raises(ConfigurationError, match="FL-K203"):
        database.upgrade(house.settings)
    house.sql("DROP TABLE audit_personal")
    with pytest.raises(ConfigurationError, match="FL-K202"):
        audit.record(house.settings, chain="0751", type="a.b", actor="x")
    assert house.rows("SELECT * FROM audit_event") == []


def test_locked_database_is_told_and_nothing_is_half_written(house, monkeypatch) -> None:
    monkeypatch.setattr(database, "_BUSY_TIMEOUT_S", 0.1)
    database._engine.cache_clear()
    with closing(sqlite3.connect(house.settings.home / "faelleslab.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigurationError, match=r"låst.*FL-K201"):
            audit.record(house.settings, chain="0751", type="a.b")
    assert audit.record(house.settings, chain="0751", type="a.b").seq == 1
    database.engine(house.settings).dispose()
    database._engine.cache_clear()


@pytest.mark.parametrize("url", ["mysql://u:hemmelig@h/x", "hemmelig", "", "oracle://x"])
def test_strange_database_addresses_are_refused_without_repeating_them(tmp_path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="FL-K204") as caught:
        database.engine(make_settings(tmp_path, database_url=url))
    assert "hemmelig" not in str(caught.value)


def test_a_place_that_cannot_hold_a_database_is_told(tmp_path) -> None:
    (tmp_path / "home").write_text("a file, not a folder")
    with pytest.raises(ConfigurationError, match="FL-K201"):
        database.upgrade(make_settings(tmp_path / "home"))
    with pytest.raises(ConfigurationError, match="FL-K201"):
        audit.record(make_settings(tmp_path / "home"), chain="0751", type="a.b")
