"""Each way a run can end is told apart, and none but the right one is a success."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.unit.kit.jobs.conftest import script

from faelleslab.jobs import runner
from faelleslab.jobs.ending import reason_of
from faelleslab.jobs.result import EXIT_CODES
from faelleslab.jobs.supervisor import Ending

pytestmark = pytest.mark.slow

SECRET = "hemmelig-vaerdi-4711"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds: float = 20.0):
    """Return what the condition gives when it is true; a deadline, not a synchronisation by sleep."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come about in time")


def test_success(run) -> None:
    ran = run("x = 1", "print('hej', x)", "x + 1")
    result = ran.result
    assert (result.state, result.reason, result.exit_code, result.code) == ("SUCCEEDED", None, 0, None)
    assert [(c.index, c.state) for c in result.cells] == [(1, "DONE"), (2, "DONE"), (3, "DONE")]
    assert ran.text(1) == "hej 1\n"
    assert ran.outputs(2)[0]["execution_count"] == 3
    assert result.cpu_seconds > 0.05
    assert result.peak_memory_bytes > 10_000_000
    assert {o["path"] for o in result.outputs} == {"bog.ipynb", "bog.html"}


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        (f"raise ValueError('{SECRET}')", "ValueError"),
        ("class Egen(Exception): pass\nraise Egen('" + SECRET + "')", "Egen"),
        ("1 +", "SyntaxError"),
        ("  x = 1\n y = 2", "IndentationError"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("exit()", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("input('navn?')", "StdinNotImplementedError"),
        ("import sys; sys.stdin.read()[0]", "IndexError"),
        ("%findes_ikke", "UsageError"),
        ("await findes_ikke()", "NameError"),
        ("raise type('x'*200, (Exception,), {})('" + SECRET + "')", "fejl"),
        ("class Grim(Exception):\n    def __str__(self): raise OSError\nraise Grim", "OSError"),
    ],
)
def test_a_failing_cell(run, cell: str, error: str) -> None:
    ran = run("1", cell, "print('må ikke køre')")
    result = ran.result
    assert (result.state, result.reason, result.exit_code) == ("FAILED", "CELL_FAILED", 10)
    assert [c.state for c in result.cells] == ["DONE", "FAILED", "NOT_RUN"]
    assert "celle 2" in result.message
    assert ran.text(2) == ""
    if error != "UsageError":
        assert result.error_class == error
    assert SECRET not in (ran.folder / "result.json").read_text()
    if SECRET in cell:
        assert SECRET in json.dumps(ran.notebook)
        assert SECRET in ran.report


def test_an_error_shown_by_a_broken_picture_of_a_value_is_a_failure(run) -> None:
    ran = run("class Grim:\n    def _repr_html_(self): raise ValueError('x')\nGrim()")
    assert ran.result.reason == "CELL_FAILED"


def test_a_cell_that_may_fail(run) -> None:
    ran = run('# %% tags=["raises-exception"]\n1/0', "print('videre')", '# %% tags=["skip-execution"]\n1/0')
    assert ran.result.succeeded
    assert ran.outputs(0)[0]["ename"] == "ZeroDivisionError"
    assert ran.outputs(2) == []


@pytest.mark.parametrize(
    ("cell", "detail"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import os; os._exit(0)", "afslutningskode 0"),
        ("import os; os._exit(10)", "afslutningskode 10"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os.abort()", "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "SIGTERM"),
        ("import atexit, os; atexit.register(os._exit, 0)", "afslutningskode 0"),
        ("import os; os.closerange(3, 256)", "afslutningskode"),
        ("import os; os.execv('/bin/true', ['true'])", "afslutningskode 0"),
    ],
)
def test_a_dead_process_is_never_a_success(run, cell: str, detail: str) -> None:
    ran = run("print('før')", cell + "\nprint('efter')", "1")
    assert (ran.result.reason, ran.result.exit_code, ran.result.code) == ("KERNEL_DIED", 11, "FL-R011")
    assert detail in ran.result.message
    assert ran.text(0) == "før\n"
    assert ran.result.message in ran.report or "atexit" in cell


@pytest.mark.parametrize(
    "cell",
    [
        "import time; time.sleep(600)",
        "import signal, time\nfor n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\n"
        "while True: time.sleep(600)",
        "while True:\n    try:\n        import time; time.sleep(600)\n    except BaseException: pass",
        "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
        "import asyncio; await asyncio.sleep(600)",
        "import ctypes; libc = ctypes.PyDLL(None)\nwhile True: libc.sleep(600)",
    ],
)
def test_time_out(run, cell: str) -> None:
    began = time.monotonic()
    ran = run("print('før')", "print('nu', flush=True)\n" + cell, "1", timeout_s=2.5)
    assert (ran.result.reason, ran.result.exit_code) == ("TIMED_OUT", 13)
    assert "2,5 sekunder" in ran.result.message
    assert ran.result.cells[2].state == "NOT_RUN"
    assert ran.text(0) == "før\n"
    assert ran.text(1).startswith("nu\n")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "cell", ["x = bytearray(2_000_000_000)", "raise MemoryError", "import numpy; numpy.ones(10**9)"]
)
def test_out_of_memory(run, cell: str) -> None:
    ran = run(cell, memory_bytes=1_500_000_000)
    assert (ran.result.reason, ran.result.exit_code) == ("OUT_OF_MEMORY", 12)
    assert "hukommelse" in ran.result.message


@pytest.mark.parametrize(
    ("ending", "seen", "reason"),
    [
        (Ending(ready=True, finished=True), {}, None),
        (Ending(ready=True, finished=True), {"all_done": False}, "INTERNAL_ERROR"),
        (Ending(ready=True, finished=True), {"group_kill": True}, None),
        (Ending(ready=True, finished=True, exit_code=1), {}, "KERNEL_DIED"),
        (Ending(ready=True, finished=False), {}, "KERNEL_DIED"),
        (Ending(ready=False, exit_code=1), {}, "INTERNAL_ERROR"),
        (Ending(ready=True, exit_code=-9), {}, "KERNEL_DIED"),
        (Ending(ready=True, exit_code=-9), {"group_kill": True}, "OUT_OF_MEMORY"),
        (Ending(ready=True, exit_code=-9), {"machine_kill": True}, "OUT_OF_MEMORY"),
        (Ending(ready=True, exit_code=-11), {"machine_kill": True}, "KERNEL_DIED"),
        (Ending(ready=True, finished=True), {"error_memory": False}, "CELL_FAILED"),
        (Ending(ready=True, finished=True), {"error_memory": True}, "OUT_OF_MEMORY"),
        (Ending(ready=True, finished=True), {"error_memory": False, "group_kill": True}, "OUT_OF_MEMORY"),
        (Ending(ready=True, finished=True, stopped="TIMED_OUT"), {}, "TIMED_OUT"),
        (Ending(ready=True, exit_code=-9, stopped="CANCELLED"), {"group_kill": True}, "CANCELLED"),
    ],
)
def test_the_judgement(ending: Ending, seen: dict, reason: str | None) -> None:
    given = {"error_memory": None, "all_done": seen.get("error_memory") is None, **seen}
    assert reason_of(ending, **given) == reason
    assert reason in EXIT_CODES


def started(tmp_path: Path, *cells: str, extra: tuple[str, ...] = ()) -> tuple[subprocess.Popen, Path]:
    (tmp_path / "bog.py").write_text(script(*cells), encoding="utf-8")
    folder = tmp_path / "ud"
    command = [sys.executable, "-m", "faelleslab", "run", str(tmp_path / "bog.py"), "--output", str(folder), *extra]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True), folder


MARK = "import os, pathlib, time\npathlib.Path('mærke').write_text(str(os.getpid()))\n"


def marked(tmp_path: Path) -> int:
    return wait_until(lambda: (p := tmp_path / "mærke").exists() and p.read_text() and int(p.read_text()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("stubborn", [False, True])
def test_a_signal_to_the_parent_cancels(tmp_path: Path, number: signal.Signals, *, stubborn: bool) -> None:
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" if stubborn else ""
    process, folder = started(tmp_path, "print('før')", deaf + MARK + "time.sleep(600)")
    child = marked(tmp_path)
    process.send_signal(number)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 14
    assert "FL-R014" in words
    assert "Traceback" not in words
    result = json.loads((folder / "result.json").read_text())
    assert (result["state"], result["reason"]) == ("FAILED", "CANCELLED")
    assert [c["state"] for c in result["cells"]] == ["DONE", "INTERRUPTED"]
    assert not alive(child)


def test_a_killed_parent_takes_the_child_along_and_claims_nothing(tmp_path: Path) -> None:
    process, folder = started(tmp_path, MARK + "while True: pass")
    child = marked(tmp_path)
    process.kill()
    process.communicate(timeout=30)
    wait_until(lambda: not alive(child))
    assert not (folder / "result.json").exists()


def test_what_the_notebook_started_does_not_outlive_it(run, tmp_path: Path) -> None:
    ran = run(
        "import subprocess, os, sys",
        "a = subprocess.Popen(['sleep', '600'])\n"
        "b = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "c = os.fork()\n"
        "if c == 0:\n    os.setsid()\n    import time; time.sleep(600)\n"
        "print(a.pid, b.pid, c)",
    )
    assert ran.result.succeeded
    pids = [int(p) for p in ran.text(1).split()]
    assert len(pids) == 3
    assert [p for p in pids if alive(p)] == []


def test_a_forked_copy_does_not_run_the_rest_again(run) -> None:
    ran = run("import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)", "print('én gang')")
    assert ran.result.succeeded
    assert ran.text(1) == "én gang\n"


def test_a_full_disk_is_a_sentence_and_no_success(run, monkeypatch, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", SECRET)

    monkeypatch.setattr(runner, "write_notebook", full)
    path = tmp_path / "bog.py"
    path.write_text("1\n")
    result = runner.run_notebook(path, {}, tmp_path / "ud")
    assert (result.state, result.reason, result.exit_code) == ("FAILED", "INTERNAL_ERROR", 70)
    assert "disken er fuld" in result.message
    assert "FAILED" in (tmp_path / "ud/result.json").read_text()
    assert SECRET not in (tmp_path / "ud/engine-error.log").read_text()


def test_a_child_that_cannot_start(run, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "IPython").mkdir()
    (tmp_path / "IPython/__init__.py").write_text("raise ImportError('ødelagt')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    ran = run("1")
    assert (ran.result.reason, ran.result.exit_code) == ("INTERNAL_ERROR", 70)
    assert "start.log" in ran.result.message
    assert "ImportError" in (ran.folder / "start.log").read_text()
