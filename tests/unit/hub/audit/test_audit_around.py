"""What lies around the chain: times, progress, where the broker listens, and memory."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from tests.unit.hub.audit.audit_house import make_settings

from faelleslab_hub import audit, database
from faelleslab_hub.audit import verify
from faelleslab_hub.broker.app import addresses

pytestmark = pytest.mark.slow


def test_times_are_kept_in_utc(house) -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("at", database.UtcDateTime))
    moment = datetime(2026, 11, 22, 6, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    with database.session(house.settings) as session:
        table.create(session.connection())
        session.execute(sa.insert(table), [{"at": moment}, {"at": None}])
        found, nothing = session.scalars(sa.select(table.c.at).order_by(table.c.at.desc())).all()
    assert (found, found.tzinfo, nothing) == (moment, UTC, None)


def test_a_time_without_a_zone_is_refused(house) -> None:
    with (
        pytest.raises(sa.exc.StatementError, match="without a zone"),
        database.session(house.settings) as session,
    ):
        session.execute(sa.select(sa.literal(datetime(2026, 1, 1), database.UtcDateTime)))


def test_progress_appears_after_two_seconds_and_then_once_a_second(monkeypatch, capsys) -> None:
    now = [100.0]
    monkeypatch.setattr(verify.time, "monotonic", lambda: now[0])
    show = verify.show_progress()
    for now[0] in (101.0, 101.9, 102.1, 102.5, 103.0, 103.2):
        show("0751", int(now[0]))
    assert capsys.readouterr().err.splitlines() == ["  0751: 102 hændelser læst …", "  0751: 103 hændelser læst …"]


def test_the_broker_listens_on_gateways_in_docker_mode_alone(tmp_path) -> None:
    assert addresses(make_settings(tmp_path)) == [("127.0.0.1", 18004)]
    found = dict(addresses(make_settings(tmp_path, mode="docker")))
    assert len(found) == 4
    assert set(found.values()) == {18004}
    assert "0.0.0.0" not in found


def test_verifying_needs_no_more_memory_for_a_longer_chain(house) -> None:
    def peak(n_events: int) -> int:
        with database.session(house.settings) as session:
            for number in range(n_events):
                audit.append(session, chain="0751", type="a.b", details={"text": "x" * 200, "n": number})
        code = "import resource; from faelleslab_hub import cli; cli.main(['audit', 'verify'])\n"
        code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=house.settings.environment() | {"PATH": "/usr/bin:/bin", "PYTHONPATH": "kit:hub"},
        )
        assert "revisionssporet er helt" in done.stdout
        return int(done.stdout.split()[-1])

    small = peak(2500)
    # Four times the events; a chain held in memory would take some ten megabytes more.
    assert peak(7500) - small < 4 * 1024
