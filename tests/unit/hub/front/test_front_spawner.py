"""The spawners' own rules: roles, events, and finding a process again."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from faelleslab.errors import AuditError
from faelleslab_hub import spawner
from faelleslab_hub.accounts import ACCOUNTS, Account
from faelleslab_hub.pages import ServerRefused
from faelleslab_hub.settings import Settings
from faelleslab_hub.spawner import embedded, refuse_other_roles


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(spawner, "audit", SimpleNamespace(record=lambda _, **event: events.append(event)))
    return events


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("FAELLESLAB_HOME", str(tmp_path))
    return Settings.from_environment()


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=lambda a: a.name)
def test_the_role_decides(events: list[dict[str, Any]], settings: Settings, account: Account) -> None:
    if account.may_start_server:
        asyncio.run(refuse_other_roles(account, settings))
        assert events == []
        return
    with pytest.raises(ServerRefused) as caught:
        asyncio.run(refuse_other_roles(account, settings))
    assert (caught.value.status_code, caught.value.error.code) == (403, "FL-L011")
    assert [(e["chain"], e["type"], e["actor"]) for e in events] == [(account.tenant, "server.refused", account.name)]


def test_a_refusal_without_its_event_is_a_refusal_too(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise AuditError("FL-A000", "broken")

    monkeypatch.setattr(spawner, "audit", SimpleNamespace(record=broken))
    with pytest.raises(ServerRefused) as caught:
        asyncio.run(refuse_other_roles(ACCOUNTS["it-drift"], settings))
    assert (caught.value.status_code, caught.value.error.code) == (503, "FL-L014")


def test_a_process_is_known_by_its_start_time_as_well() -> None:
    own = embedded._started_at(os.getpid())
    assert own.isdigit()
    assert embedded._started_at(2**22 + 1) == ""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert embedded._started_at(child.pid) == "", "a dead process that nobody has collected is not running"
    child.wait()


def test_stop_all_ends_what_it_knows_and_nothing_else(settings: Settings) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    known, stranger = (subprocess.Popen(sleep, start_new_session=True) for _ in range(2))
    try:
        embedded._remember(settings, "known", known.pid, embedded._started_at(known.pid))
        # The id of another process by now: the machine was restarted meanwhile.
        embedded._remember(settings, "old", stranger.pid, "1")
        (settings.hub_state / "servers" / "odd.pid").write_text("nonsense")
        assert embedded.stop_all(settings) == 1
        assert known.wait(timeout=10) != 0
        assert stranger.poll() is None
        assert list((settings.hub_state / "servers").iterdir()) == []
        assert embedded.stop_all(settings) == 0
    finally:
        for process in (known, stranger):
            process.kill()
            process.wait()
