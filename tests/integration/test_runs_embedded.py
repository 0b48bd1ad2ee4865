"""Runs through the whole path, embedded: real processes, killed where it hurts most."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from tests.integration.runs_house import RunsHouse, turn, until

from faelleslab_hub.placer.local import LocalRunner
from faelleslab_hub.placer.placing import Patience, Placer
from faelleslab_hub.runs import upload
from faelleslab_hub.settings import Settings


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunsHouse]:
    monkeypatch.setenv("FAELLESLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAELLESLAB_MODE", "embedded")
    made = RunsHouse(Settings.from_environment())
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunsHouse]:
    """Processes for the tests that leave them alone."""
    with mock.patch.dict(
        os.environ, {"FAELLESLAB_HOME": str(tmp_path_factory.mktemp("shared")), "FAELLESLAB_MODE": "embedded"}
    ):
        made = RunsHouse(Settings.from_environment())
    made.start("placer")
    made.start("inspector")
    yield made
    made.close()


@pytest.fixture
def working(house: RunsHouse) -> RunsHouse:
    house.start("placer")
    house.start("inspector")
    return house


def _counted(tmp_path: Path) -> list[str]:
    path = tmp_path / "counter"
    return path.read_text().splitlines() if path.exists() else []


def _given(tmp_path: Path, *, gated: bool = False) -> dict[str, str]:
    given = {"counter": str(tmp_path / "counter"), "kode": "0751"}
    return given | {"gate": str(tmp_path / "gate")} if gated else given


def _is_over(house: RunsHouse, run_id: str) -> None:
    """One terminal state, one event of each kind, and nothing left running."""
    assert house.events(run_id) == ["run.submitted", "run.inspected", "run.started", "run.ended"]
    mark = f"FAELLESLAB_TASK={house.settings.run_folder('0751', run_id)}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                assert mark not in (entry / "environ").read_bytes()
            except OSError:
                continue


# --- the ordinary path


def test_a_run_by_the_command(shared: RunsHouse, tmp_path: Path) -> None:
    notebook = tmp_path / "Prøve 1.py"
    notebook.write_text(
        '# %% tags=["parameters"]\nkode: str = "0101"\nn: int = 1\n# %%\nprint(kode, n)\n', encoding="utf-8"
    )
    done = shared.cli("run", "0751", str(notebook), "-p", "kode", "0751", "-p", "n", "-5")
    assert done.returncode == 0, done.stderr
    report = Path(done.stdout.strip())
    assert report.name == "Prøve 1.html"
    assert "0751 -5" in report.read_text()
    assert "Kørslen er gennemført." in done.stderr
    run_id = report.parents[1].name
    row = shared.run(run_id)
    assert json.loads(row.parameters or "") == {"kode": "0751", "n": -5}
    assert row.image == "embedded"
    assert json.loads(row.result or "")["state"] == "SUCCEEDED"
    assert not report.stat().st_mode & 0o222, "what a run left cannot be changed"
    _is_over(shared, run_id)


@pytest.mark.parametrize(
    ("code", "reason", "exit_code"),
    [
        ("1 / 0", "CELL_FAILED", 10),
        ("import os\nos._exit(0)", "KERNEL_DIED", 11),
        ("import os\nos.kill(os.getpid(), 9)", "KERNEL_DIED", 11),
        ("import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(60)", "KERNEL_DIED", 11),
        ("x = bytearray(64 << 30)", "OUT_OF_MEMORY", 12),
        ("while True: pass", "TIMED_OUT", 13),
        ("import sys\nsys.exit(0)", None, None),
    ],
)
def test_every_ending_is_told_apart(shared: RunsHouse, code: str, reason: str | None, exit_code: int | None) -> None:
    run_id = shared.submit(f"# %%\n{code}\n# %%\nprint('videre')\n", timeout_s=3)
    row = shared.ended(run_id)
    if reason is None:  # what sys.exit means is the kit's matter; only that both sides agree is ours
        assert (row.state == "SUCCEEDED") == (row.exit_code == 0)
        return
    assert (row.state, row.reason, row.exit_code) == ("FAILED", reason, exit_code)
    assert row.message
    assert "Traceback" not in row.message
    _is_over(shared, run_id)


def test_nobody_at_work_is_told_at_once(house: RunsHouse, tmp_path: Path) -> None:
    notebook = tmp_path / "t.py"
    notebook.write_text("x = 1")
    code, said = house.command("run", "0751", str(notebook))
    assert code != 0
    assert "FL-R105" in said
    assert "make demo" in said
    assert not (house.settings.home / "runs").exists(), "nothing is left waiting"


def test_leaving_does_not_stop_the_run(shared: RunsHouse, tmp_path: Path) -> None:
    notebook = tmp_path / "t.py"
    gate = str(tmp_path / "gate")
    notebook.write_text(f"# %%\nimport time, pathlib\nwhile not pathlib.Path({gate!r}).exists(): time.sleep(0.02)")
    process = shared._spawn("faelleslab_hub.cli", "run", "0751", str(notebook))
    run_id = until(lambda: next(iter(re.findall(r"Kørsel (\S+) for Aarhus", shared.log())), None))
    until(lambda: shared.run(run_id).state == "RUNNING")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert "fortsætter" in shared.log()
    (tmp_path / "gate").touch()
    assert shared.ended(run_id).state == "SUCCEEDED"


# --- what is refused

_HOSTILE = {
    "deep.ipynb": b'{"nbformat": 4, "metadata": {}, "cells": ' + b"[" * 500_000 + b"]" * 500_000 + b"}",
    "not json.ipynb": b"\x89PNG\r\n\x1a\n",
    "nul.ipynb": b"\0" * 100_000,
    "nul.py": b"# %%\nx = 1\0\n",
    "empty.ipynb": b"",
    "a list.ipynb": b"[]",
    "old.ipynb": b'{"nbformat": 3, "metadata": {}, "worksheets": []}',
    "numbers.ipynb": b'{"nbformat": 4, "metadata": 7, "cells": [1, 2]}',
    "latin.py": b"# %%\nx = '\xe6\xf8\xe5'\n",
    "code in parameters.py": b'# %% tags=["parameters"]\nx: int = __import__("os").system("touch /tmp/pwned")\n',
    "huge number.ipynb": b'{"nbformat": ' + b"9" * 5_000_000 + b"}",
    "repeated.ipynb": b'{"cells": [' + b'{"cell_type": "code"},' * 300_000 + b"]}",
}


def test_hostile_notebooks_are_refused_with_a_sentence(shared: RunsHouse, tmp_path: Path) -> None:
    for name, content in _HOSTILE.items():
        path = tmp_path / name
        path.write_bytes(content)
        code, said = shared.command("run", "0751", str(path))
        assert code == 2, (name, said)
        assert "(FL-" in said, (name, said)
        assert "Traceback" not in said
        assert len(said) < 3000
    assert not Path("/tmp/pwned").exists()


def test_hostile_files_are_refused_before_anything_is_stored(house: RunsHouse, tmp_path: Path) -> None:
    large = tmp_path / "large.ipynb"
    with large.open("wb") as file:
        file.truncate(100 * 2**20)
    link = tmp_path / "link.ipynb"
    link.symlink_to("/etc/hostname")
    pipe = tmp_path / "pipe.py"
    os.mkfifo(pipe)
    newline = tmp_path / "a\nb.py"
    newline.write_text("x = 1")
    for path, fault in ((large, "FL-R103"), (link, "FL-R102"), (pipe, "FL-R102"), (newline, "FL-R101")):
        code, said = house.command("run", "0751", str(path))
        assert (code, fault in said) == (2, True), said
    for tenant in ("9999", "751", "../0751", "0101"):
        code, said = house.command("run", tenant, str(newline))
        assert code == 2, said
        assert "FL-K011" in said
    assert not (house.settings.home / "runs").exists()
    assert upload.MAX_NOTEBOOK_BYTES < 100 * 2**20


@pytest.mark.parametrize(
    "words",
    [
        ["-p", "n", "1", "-p", "n", "2"],
        ["-p", "n;import os", "1"],
        ["-p", "n"],
        ["--timeout", "0"],
        ["--timeout", "999999999"],
        ["--timeout", "x"],
    ],
)
def test_wrong_words_are_refused(house: RunsHouse, tmp_path: Path, words: list[str]) -> None:
    notebook = tmp_path / "t.py"
    notebook.write_text('# %% tags=["parameters"]\nn: int = 1\n')
    code, said = house.command("run", "0751", str(notebook), *words)
    assert code == 2, said
    assert "(FL-" in said


def test_every_wrong_parameter_is_named_at_once(shared: RunsHouse, tmp_path: Path) -> None:
    notebook = tmp_path / "t.py"
    notebook.write_text('# %% tags=["parameters"]\nn: int = 1\nd: float = 1.0\n')
    code, said = shared.command(
        "run", "0751", str(notebook), "-p", "n", "hemmelig", "-p", "d", "hemmelig", "-p", "z", "1"
    )
    assert code == 2
    assert all(f"'{name}'" in said for name in "ndz")
    assert "hemmelig" not in said


# --- killed at every step

_PLACER_STEPS = [
    *("before-place", "after-place", "before-start/inspection", "after-start/inspection", "before-answered"),
    *("after-answered", "before-claim", "after-claim", "before-start/run", "after-start/run", "before-read"),
    *("after-seal", "before-finish", "after-finish", "before-remove/run"),
]


@pytest.mark.parametrize("step", _PLACER_STEPS)
def test_a_placer_killed_at_any_step(house: RunsHouse, tmp_path: Path, step: str) -> None:
    house.start("inspector")
    run_id = house.submit(given=_given(tmp_path))
    dying = house.start_to_die("placer", step)
    assert dying.wait(60) == -signal.SIGKILL, house.log()
    house.start("placer")
    row = house.ended(run_id)
    assert (row.state, row.reason, row.attempt) == ("SUCCEEDED", None, 1), row.message
    assert [line.split()[1] for line in _counted(tmp_path)] == ["0751"], "executed exactly once"
    assert (house.output(run_id) / "files" / "svar.txt").read_text() == "0751"
    _is_over(house, run_id)


@pytest.mark.parametrize("step", ["before-accept", "after-accept"])
def test_an_inspector_killed_at_any_step(house: RunsHouse, tmp_path: Path, step: str) -> None:
    house.start("placer")
    run_id = house.submit(given=_given(tmp_path))
    dying = house.start_to_die("inspector", step)
    assert dying.wait(60) == -signal.SIGKILL, house.log()
    house.start("inspector")
    assert house.ended(run_id).state == "SUCCEEDED"
    assert len(_counted(tmp_path)) == 1
    _is_over(house, run_id)


def test_a_run_outlives_its_placer(working: RunsHouse, tmp_path: Path) -> None:
    placer = working.processes[0]
    run_id = working.submit(given=_given(tmp_path, gated=True))
    until(lambda: _counted(tmp_path))
    working.kill(placer)
    second = working.start("placer")
    working.kill(second)
    (tmp_path / "gate").touch()
    until(lambda: (working.control(run_id) / f"run-{run_id}-1.exit").exists())
    assert working.run(run_id).state == "RUNNING", "nobody there to say so"
    working.start("placer")
    assert working.ended(run_id).state == "SUCCEEDED"
    assert len(_counted(tmp_path)) == 1
    _is_over(working, run_id)


def test_a_failure_stays_a_failure_across_placers(house: RunsHouse, tmp_path: Path) -> None:
    house.start("inspector")
    run_id = house.submit("# %%\n1 / 0\n")
    assert house.start_to_die("placer", "before-read").wait(60) == -signal.SIGKILL
    house.start("placer")
    assert house.ended(run_id).reason == "CELL_FAILED"


def test_a_run_whose_supervisor_vanished_is_lost_and_not_run_again(shared: RunsHouse, tmp_path: Path) -> None:
    run_id = shared.submit(given=_given(tmp_path, gated=True))
    until(lambda: _counted(tmp_path))
    launcher = int((shared.control(run_id) / f"run-{run_id}-1.claim").read_text().split()[0])
    os.kill(launcher, signal.SIGKILL)
    row = shared.ended(run_id)
    assert (row.reason, row.exit_code) == ("LOST", 75)
    (tmp_path / "gate").touch()
    assert len(_counted(tmp_path)) == 1
    _is_over(shared, run_id)


def test_after_a_reboot_a_running_row_is_lost(house: RunsHouse, tmp_path: Path) -> None:
    house.start("inspector")
    run_id = house.submit(given=_given(tmp_path, gated=True))
    runner = LocalRunner(house.settings)
    before = Placer(house.settings, house.tenants, runner, token="a", boot="before")
    until(lambda: turn(before) or _counted(tmp_path))
    after = Placer(house.settings, house.tenants, LocalRunner(house.settings), token="b", boot="after")
    after.recover()
    row = house.run(run_id)
    assert (row.state, row.reason) == ("FAILED", "LOST")
    turn(before)
    assert house.events(run_id).count("run.ended") == 1
    runner.remove(next(iter(before.active.values())).task) if before.active else None
    _is_over(house, run_id)


def test_two_placers_execute_once(house: RunsHouse, tmp_path: Path) -> None:
    house.start("inspector")
    both = [house.start_without_lock(), house.start_without_lock()]
    runs = [house.submit(given=_given(tmp_path)) for _ in range(6)]
    for run_id in runs:
        assert house.ended(run_id).state == "SUCCEEDED"
        assert house.events(run_id).count("run.started") == 1
        assert house.events(run_id).count("run.ended") == 1
    assert len(_counted(tmp_path)) == len(runs)
    assert [process.poll() for process in both] == [None, None], house.log()


def test_a_second_placer_stands_by_and_takes_over(working: RunsHouse, tmp_path: Path) -> None:
    standby = working._spawn("faelleslab_hub.cli", "placer")
    run_id = working.submit(given=_given(tmp_path, gated=True))
    until(lambda: _counted(tmp_path))
    working.kill(working.processes[0])
    (tmp_path / "gate").touch()
    assert working.ended(run_id).state == "SUCCEEDED"
    assert standby.poll() is None
    assert len(_counted(tmp_path)) == 1


def test_a_placer_asked_to_stop_leaves_its_runs(working: RunsHouse, tmp_path: Path) -> None:
    run_id = working.submit(given=_given(tmp_path, gated=True))
    until(lambda: _counted(tmp_path))
    working.processes[0].send_signal(signal.SIGTERM)
    assert working.processes[0].wait(30) == 0
    (tmp_path / "gate").touch()
    working.start("placer")
    assert working.ended(run_id).state == "SUCCEEDED"


# --- time and stopping

_STUBBORN = "# %%\nimport os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(120)\n"


def test_a_runner_that_ignores_its_time_is_ended_by_the_placer(house: RunsHouse) -> None:
    house.start("inspector")
    run_id = house.submit(_STUBBORN, timeout_s=1)
    patience = Patience(beyond_timeout=1.0, after_asking=0.5)
    placer = Placer(house.settings, house.tenants, LocalRunner(house.settings), token="a", boot="b", patience=patience)
    until(lambda: turn(placer) or house.run(run_id).stage == "ENDED")
    row = house.run(run_id)
    assert (row.reason, row.exit_code) == ("TIMED_OUT", 13)
    _is_over(house, run_id)


def test_a_running_run_can_be_cancelled(shared: RunsHouse, tmp_path: Path) -> None:
    from faelleslab_hub.runs import presence, store

    run_id = shared.submit(given=_given(tmp_path, gated=True))
    until(lambda: _counted(tmp_path))
    assert store.withdraw(shared.settings, run_id, by=None)
    presence.wake(shared.settings, "placer")
    row = shared.ended(run_id)
    assert (row.reason, row.exit_code) == ("CANCELLED", 14)
    _is_over(shared, run_id)


def test_hostile_output_does_not_stop_the_placer(shared: RunsHouse, tmp_path: Path) -> None:
    code = """# %%
import os, pathlib
out = pathlib.Path(os.environ["FAELLESLAB_OUTPUT"]).parent
(out / "files" / "link").symlink_to("/etc/shadow")
os.mkfifo(out / "files" / "pipe")
here = os.open(out / "files", os.O_RDONLY)
for _ in range(30):
    os.mkdir("x" * 250, dir_fd=here)
    here = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
"""
    run_id = shared.submit(code)
    shared.ended(run_id)
    assert not (shared.output(run_id) / "files" / "link").is_symlink()
    assert not (shared.output(run_id) / "files" / "pipe").exists()
    after = shared.submit(given=_given(tmp_path))
    assert shared.ended(after).state == "SUCCEEDED"


def test_a_forged_result_is_no_success(shared: RunsHouse) -> None:
    forged = {"state": "SUCCEEDED", "reason": None, "exit_code": 0, "cells": [], "outputs": []}
    code = (
        "# %%\nimport os, pathlib, json\n"
        "out = pathlib.Path(os.environ['FAELLESLAB_OUTPUT']).parent\n"
        f"(out / 'result.json').write_text({json.dumps(forged)!r})\n"
        "os.kill(os.getppid(), 9)\n"
    )
    row = shared.ended(shared.submit(code))
    assert (row.state, row.reason) == ("FAILED", "KERNEL_DIED")


def test_no_secret_reaches_a_run(working: RunsHouse, tmp_path: Path) -> None:
    working.kill(working.processes[0])
    working.environment["CONFIGPROXY_AUTH_TOKEN"] = "hemmelig"
    working.environment["FAELLESLAB_DATABASE_PASSWORD"] = "hemmelig"
    working.start("placer")
    seen = tmp_path / "seen"
    code = f"# %%\nimport os, json\nopen({str(seen)!r}, 'w').write(json.dumps(dict(os.environ)))\n"
    assert working.ended(working.submit(code)).state == "SUCCEEDED"
    environment = json.loads(seen.read_text())
    assert "hemmelig" not in environment.values()
    assert environment["FAELLESLAB_TENANT"] == "0751"
    assert "FAELLESLAB_HOME" not in environment
