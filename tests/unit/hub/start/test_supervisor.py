"""The supervisor on real processes: readiness, restart, and an end that leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faelleslab_hub import process_tree, supervisor
from faelleslab_hub.settings import Settings

pytestmark = pytest.mark.slow

# Runs a supervisor over the processes given as JSON, under the guard, and says what happens on stdout.
_DRIVER = """
import json, sys, time
from pathlib import Path
from faelleslab_hub import supervisor
from faelleslab_hub.settings import Settings
supervisor.START_TIMEOUT_S = 20.0
supervisor.GRACE_S = float(sys.argv[2])
settings = Settings.from_environment()
def ready(path):
    return Path(path).exists
def work():
    processes = [
        supervisor.Process(p["name"], [sys.executable, "-c", p["code"]], ready(p["ready"]), last=p.get("last", False))
        for p in json.loads(sys.argv[1])
    ]
    keeper = supervisor.Supervisor(settings, processes, lambda text: print("SAY", text, flush=True))
    try:
        keeper.start(lambda *_: None)
        print("READY", flush=True)
        keeper.watch()
    finally:
        print("CLEAN" if keeper.stop() else "FORCED", flush=True)
    return 0
sys.exit(supervisor.guarded(work))
"""
_SLEEP = "import time; time.sleep(600)"


class House:
    """A folder, a driver process, and what it printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.mark = f"house-{folder.name}-{os.getpid()}"

    def code(self, name: str, body: str) -> dict[str, Any]:
        """A process that writes its id to <name> (that makes it ready) and then does `body`."""
        path = self.folder / name
        text = (
            f"import os, signal, subprocess, sys, time\n# {self.mark}\n"
            f"open({str(path) + '.new'!r}, 'w').write(str(os.getpid()))\n"
            f"os.rename({str(path) + '.new'!r}, {str(path)!r})\n"
            f"{body}"
        )
        return {"name": name, "code": text, "ready": str(path)}

    def start(self, *processes: dict[str, Any], grace_s: float = 5) -> None:
        self.close()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _DRIVER, json.dumps(processes), str(grace_s), self.mark],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout
            self.process.stdout.close()

    def line(self, beginning: str) -> str:
        assert self.process
        assert self.process.stdout
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if line.startswith(beginning):
                return line
        raise AssertionError(f"no line {beginning!r} in {seen}")

    def pid(self, name: str) -> int:
        return int((self.folder / name).read_text())

    def left(self) -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "cmdline").read_bytes() and process_tree.started(int(folder.name)):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found


@pytest.fixture
def house(settings: Settings, tmp_path: Path) -> Iterator[House]:
    place = House(tmp_path)
    yield place
    place.close()
    for pid in place.left():
        os.kill(pid, signal.SIGKILL)


def _until(what: Callable[[], bool], limit_s: float = 15) -> None:
    deadline = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.mark.parametrize("number", supervisor.STOP_SIGNALS)
def test_it_starts_and_ends_with_everything_below(house: House, number: signal.Signals) -> None:
    # A child in a session of its own whose parent has gone: what a user's kernel is when the hub was killed.
    child = f"subprocess.Popen([sys.executable, '-c', '# {house.mark}\\n{_SLEEP}'], start_new_session=True)"
    house.start(house.code("one", f"{child}\n{_SLEEP}"), house.code("two", f"{child}\nos._exit(0)"))
    house.line("READY")
    _until(lambda: len(house.left()) >= 5)
    assert house.process
    house.process.send_signal(number)
    house.line("CLEAN")
    assert house.process.wait(20) == 0
    assert house.left() == []


def test_what_ignores_term_is_killed_after_its_grace(house: House) -> None:
    house.start(house.code("deaf", f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{_SLEEP}"), grace_s=1)
    house.line("READY")
    assert house.process
    began = time.monotonic()
    house.process.terminate()
    house.line("FORCED")
    assert house.process.wait(20) == 0
    assert 0.9 < time.monotonic() - began < 10
    assert house.left() == []


def test_a_second_stop_ends_the_grace(house: House) -> None:
    house.start(house.code("deaf", f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{_SLEEP}"), grace_s=300)
    house.line("READY")
    assert house.process
    driver = house.process

    def ended() -> bool:
        # Two signals that come at once are one signal, so it is told until it has heard the second.
        driver.terminate()
        return driver.poll() is not None

    _until(ended)
    assert driver.returncode == 0
    assert house.left() == []


def test_a_killed_process_comes_back_and_its_children_go_on(house: House) -> None:
    path = house.folder / "server"
    child = (
        f"if not os.path.exists({str(path)!r}):\n"
        f"    open({str(path)!r}, 'w').write(str(subprocess.Popen([sys.executable, '-c', '# {house.mark}\\n{_SLEEP}'],"
        " start_new_session=True).pid))\n"
    )
    house.start(house.code("hub", child + _SLEEP))
    house.line("READY")
    _until(lambda: path.exists() and path.read_text() != "")
    server, hub = int(path.read_text()), house.pid("hub")
    (house.folder / "hub").unlink()
    os.kill(hub, signal.SIGKILL)
    assert "signal 9" in house.line("SAY")
    _until((house.folder / "hub").exists)
    assert house.pid("hub") != hub
    assert process_tree.started(server)
    assert house.process
    house.process.terminate()
    assert house.process.wait(20) == 0
    assert house.left() == []


def test_the_last_is_told_after_the_others_have_ended(house: House) -> None:
    note = str(house.folder / "order")
    ending = (
        "def end(*_):\n    time.sleep({})\n    open({!r}, 'a').write('{} '); os._exit(0)\n"
        f"signal.signal(signal.SIGTERM, end)\n{_SLEEP}"
    )
    house.start(
        house.code("broker", ending.format(0, note, "broker")) | {"last": True},
        house.code("hub", ending.format(0.5, note, "hub")),
    )
    house.line("READY")
    assert house.process
    house.process.terminate()
    house.line("CLEAN")
    assert Path(note).read_text() == "hub broker "


@pytest.mark.parametrize("victim", ["guard", "supervisor"])
def test_a_killed_supervisor_takes_all_with_it(house: House, victim: str) -> None:
    house.start(house.code("one", _SLEEP), house.code("two", _SLEEP))
    house.line("READY")
    assert house.process
    (inner,) = (pid for pid in process_tree.descendants(house.process.pid) if _parent(pid) == house.process.pid)
    os.kill(house.process.pid if victim == "guard" else inner, signal.SIGKILL)
    house.process.wait(20)
    _until(lambda: house.left() == [])


def test_one_that_never_gets_ready_is_named_with_its_own_sentence(house: House, settings: Settings) -> None:
    broken = {
        "name": "web",
        "code": "print('Det gik galt. (FL-X001)'); raise SystemExit(2)",
        "ready": str(house.folder / "never"),
    }
    house.start(house.code("proxy", _SLEEP), broken)
    assert house.process
    out, _ = house.process.communicate(timeout=60)
    assert house.process.returncode != 0
    assert "FL-K335" in out
    assert "'web'" in out
    assert "Det gik galt. (FL-X001)" in out
    assert str(settings.logs / "web.log") in out
    assert house.left() == []


def test_logs_are_closed_to_others_and_kept_for_three_starts(house: House, settings: Settings) -> None:
    for _ in range(5):
        house.start(house.code("one", f"print('hello', flush=True)\n{_SLEEP}"))
        house.line("READY")
        assert house.process
        house.process.terminate()
        house.process.wait(20)
        (house.folder / "one").unlink()
    logs = sorted(path.name for path in settings.logs.iterdir())
    assert logs == ["one.log", "one.log.1", "one.log.2", "one.log.3"]
    assert {path.stat().st_mode & 0o777 for path in settings.logs.iterdir()} == {0o600}
    assert settings.logs.stat().st_mode & 0o777 == 0o700


def test_the_environment_of_a_process(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "x")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "x")
    monkeypatch.setenv("PYTHONPATH", "kit:hub")
    env = supervisor.environment(settings)
    assert not {"GITHUB_TOKEN", "JUPYTERHUB_API_TOKEN"} & set(env)
    assert env["FAELLESLAB_HOME"] == str(settings.home)
    assert all(Path(part).is_absolute() for part in env["PYTHONPATH"].split(":"))


def test_a_process_id_that_was_used_again_is_left_alone() -> None:
    child = subprocess.Popen([sys.executable, "-c", _SLEEP])
    try:
        start = process_tree.started(child.pid)
        assert start is not None
        process_tree.send({child.pid: start - 1}, signal.SIGKILL)
        assert child.poll() is None
        process_tree.send({child.pid: start}, signal.SIGKILL)
        assert child.wait(10) == -9
    finally:
        child.kill()
        child.wait()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
