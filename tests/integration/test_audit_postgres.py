"""The audit chain on PostgreSQL: the same promises, with real concurrency."""

import multiprocessing
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.machine import packages
from tests.unit.hub.audit.audit_house import House, build
from tests.unit.hub.audit.test_audit_append import append_from_two_processes

from faelleslab.errors import ConfigurationError
from faelleslab_hub import audit, database
from faelleslab_hub.audit import export, person
from faelleslab_hub.audit.findings import Kind
from faelleslab_hub.audit.models import Alias, Event, Personal
from faelleslab_hub.audit.signer import Signer
from faelleslab_hub.audit.verify import quiet

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL of our own: as an ordinary user, on a socket in a folder of its own, stopped by its id."""
    postgres = packages.postgres()
    assert postgres is not None
    initdb = str(Path(postgres).with_name("initdb"))
    folder = Path(tempfile.mkdtemp(prefix="fl-pg-"))
    as_user: dict[str, object] = {}
    if os.getuid() == 0:
        # PostgreSQL refuses to run as root.
        shutil.chown(folder, "nobody", "nogroup")
        as_user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    data = folder / "data"
    make = [initdb, "-D", str(data), "-U", "faelleslab", "--auth=trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(make, check=True, capture_output=True, cwd=folder, env=environment, **as_user)
    start = [postgres, "-D", str(data), "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(start, cwd=folder, env=environment, stdout=log, stderr=log, **as_user)
    try:
        url = f"postgresql://faelleslab@/postgres?host={folder}"
        _wait_until_ready(url, process)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(url: str, process: subprocess.Popen) -> None:
    import psycopg

    waiting = threading.Event()
    for _ in range(300):
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert process.poll() is None, "PostgreSQL ended"
            waiting.wait(0.1)
        else:
            return
    pytest.fail("PostgreSQL did not start")


class PostgresHouse(House):
    """The same installation, tampered with by PostgreSQL's own means."""

    def sql(self, statement: str, *values: object) -> int:
        with database.engine(self.settings).begin() as connection:
            return connection.exec_driver_sql(statement).rowcount

    def rows(self, statement: str, *values: object) -> list[tuple]:
        with database.engine(self.settings).connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]


@pytest.fixture
def house(server: str, tmp_path: Path) -> Iterator[House]:
    import psycopg

    name = f"t{abs(hash(tmp_path)):x}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    made = build(tmp_path / "home", database_url=server.replace("/postgres?", f"/{name}?"))
    yield PostgresHouse(made.settings, made.key)
    database.engine(made.settings).dispose()


def test_sixteen_writers_make_one_chain(house) -> None:
    append_from_two_processes(house.settings, 25)
    with database.session(house.settings, read_only=True) as session:
        assert session.scalars(sa.select(Event.seq).order_by(Event.seq)).all() == list(range(1, 401))
        assert session.scalar(sa.select(sa.func.count()).select_from(Personal)) == 400
        assert session.scalar(sa.select(sa.func.count()).select_from(Alias)) == 5
    house.sign()
    assert house.findings() == []


def test_several_processes_migrate_at_once(house) -> None:
    house.sql("DROP TABLE inspection, run, account_alias, audit_personal, audit_event, audit_chain, alembic_version")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=database.upgrade, args=(house.settings,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert audit.record(house.settings, chain="0751", type="a.b").seq == 1


def test_a_rolled_back_act_leaves_no_gap(house) -> None:
    def act() -> None:
        with database.session(house.settings) as session:
            audit.append(session, chain="0751", type="run.started", actor="x")
            message = "the act failed"
            raise RuntimeError(message)

    with pytest.raises(RuntimeError):
        act()
    assert audit.record(house.settings, chain="0751", type="run.started", actor="x").seq == 1


def test_verify_erase_and_export(house, tmp_path) -> None:
    for number in range(6):
        audit.record(house.settings, chain="0751", type="a.b", actor="ida" if number % 2 else "bo", personal={"n": 1})
    house.sign()
    assert person.erase(house.settings, "ida", "opbevaring 5 år") == {"0751": 3}
    verdict = house.verdicts()["0751"]
    assert (verdict.whole, verdict.n_erased, verdict.n_events) == (True, 3, 7)
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(export.write(house.settings, "0751", personal=True)) + "\n", encoding="utf-8")
    assert export.verify_file(path, house.key.public_key(), quiet).whole


@pytest.mark.parametrize(
    ("tampering", "kind"),
    [
        ("UPDATE audit_event SET subject = 'x' WHERE seq = 2", Kind.ALTERED),
        ("DELETE FROM audit_personal WHERE seq = 2", Kind.PERSONAL_REMOVED),
        ("DELETE FROM audit_personal WHERE seq = 4; DELETE FROM audit_event WHERE seq = 4", Kind.CUT_OFF),
        ("DELETE FROM audit_personal WHERE seq = 2; DELETE FROM audit_event WHERE seq = 2", Kind.REMOVED),
    ],
)
def test_tampering_is_found(house, tampering: str, kind: Kind) -> None:
    for _ in range(4):
        audit.record(house.settings, chain="0751", type="a.b", actor="bo")
    house.sign()
    for statement in tampering.split("; "):
        house.sql(statement)
    assert [finding.kind for finding in house.findings()] == [kind]


def test_verifying_while_events_and_checkpoints_arrive_gives_no_false_alarm(house) -> None:
    done = threading.Event()

    def work() -> None:
        signer = Signer(house.settings, house.key)
        for _ in range(60):
            audit.record(house.settings, chain="0751", type="a.b", actor="bo")
            signer.sign_moved()
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        assert house.findings() == []
    thread.join()


def test_two_transactions_that_wait_for_each_other_do_not_hang(house) -> None:
    for chain in ("0751", "0461"):
        audit.record(house.settings, chain=chain, type="a.b")
    first_locked, second_locked = threading.Event(), threading.Event()
    outcomes = []

    def work(one: str, other: str, mine: threading.Event, theirs: threading.Event) -> None:
        try:
            with database.session(house.settings) as session:
                audit.append(session, chain=one, type="a.b")
                mine.set()
                theirs.wait(10)
                audit.append(session, chain=other, type="a.b")
            outcomes.append("written")
        except sa.exc.OperationalError:
            outcomes.append("try again")

    threads = [
        threading.Thread(target=work, args=("0751", "0461", first_locked, second_locked)),
        threading.Thread(target=work, args=("0461", "0751", second_locked, first_locked)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["try again", "written"]
    assert house.findings() == []


def test_times_come_back_in_utc(house) -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("at", database.UtcDateTime))
    moment = datetime(2026, 11, 22, 6, 0, tzinfo=timezone(timedelta(hours=2)))
    with database.session(house.settings) as session:
        table.create(session.connection())
        session.execute(sa.insert(table).values(at=moment))
        found = session.scalar(sa.select(table.c.at))
    assert found == moment
    assert found.tzinfo is UTC


def test_reading_transaction_cannot_write(house) -> None:
    with (
        pytest.raises(sa.exc.DBAPIError, match="read-only"),
        database.session(house.settings, read_only=True) as session,
    ):
        session.execute(sa.insert(Alias).values(alias="a", account="b"))
    assert audit.record(house.settings, chain="0751", type="a.b").seq == 1


def test_a_server_that_is_away_is_told_without_its_address(house, tmp_path) -> None:
    from tests.unit.hub.audit.audit_house import make_settings

    url = f"postgresql://bruger:hemmeligt@/x?host={tmp_path}"
    with pytest.raises(ConfigurationError, match="FL-K201") as caught:
        audit.record(make_settings(tmp_path, database_url=url), chain="0751", type="a.b")
    assert "hemmeligt" not in str(caught.value)
