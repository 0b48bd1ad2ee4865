"""The bootstrap: any Python gets a sentence, a half-made environment heals, and nothing is made twice."""

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = ROOT / "hub" / "bootstrap.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the same bootstrap, whose pins are two tiny packages that lie in it as wheels."""
    place = tmp_path / "checkout æ"
    for name in (
        "hub/bootstrap.py",
        "pyproject.toml",
        "hub/pyproject.toml",
        "hub/package.json",
        "hub/package-lock.json",
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place / name)
    pins = place / "images" / "constraints"
    pins.mkdir(parents=True)
    for name in ("hub.txt", "dev.txt", "prove.txt"):
        (pins / name).write_text("tiny==1\n")
    return place


@pytest.fixture
def module(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", checkout / "hub" / "bootstrap.py")
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", **more}


def _bootstrap(checkout: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / "hub" / "bootstrap.py"), *words]
    return subprocess.run(command, env=_environment(**more), capture_output=True, text=True, check=False, timeout=300)


def _one_sentence(result: subprocess.CompletedProcess[str], code: str) -> None:
    assert result.returncode == 2, result.stdout + result.stderr
    assert code in result.stderr
    assert "Gør: " in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [(), ("x",), ("demo", "test"), ("--help",)])
def test_wrong_use(checkout: Path, words: tuple[str, ...]) -> None:
    result = _bootstrap(checkout, *words)
    assert result.returncode == 2
    assert "Brug:" in result.stderr


def test_its_syntax_is_old_enough_to_say_that_python_is_too_old() -> None:
    import ast

    text = SCRIPT.read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 7))
    # What parses but fails at import on 3.8: subscripted built-ins in annotations, and newer modules.
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            annotations = [a.annotation for a in [*node.args.args, *node.args.kwonlyargs]] + [node.returns]
            assert all(isinstance(a, ast.Name | ast.Constant | ast.Attribute | None) for a in annotations), node.name
    imported = {a.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import) for a in n.names}
    assert imported <= {"fcntl", "hashlib", "json", "os", "queue", "re", "shutil", "signal", "subprocess", "sys",
                        "tempfile", "threading", "time"}  # fmt: skip


def test_old_python_gets_one_sentence(checkout: Path, tmp_path: Path) -> None:
    """A python3 that says it is 3.9, and nothing newer on PATH."""
    shims = tmp_path / "bin"
    shims.mkdir()
    shim = shims / "python3"
    shim.write_text("#!/bin/sh\necho 3.9\n")
    shim.chmod(0o755)
    code = (
        f"import sys; sys.argv=['bootstrap.py','demo']; sys.executable={str(shim)!r}; "
        f"exec(compile(open({str(checkout / 'hub/bootstrap.py')!r}, encoding='utf-8').read(),"
        f" {str(checkout / 'hub/bootstrap.py')!r}, 'exec'))"
    )
    command = [sys.executable, "-c", f"__file__ = {str(checkout / 'hub/bootstrap.py')!r}; {code}"]
    result = subprocess.run(
        command, env={**_environment(), "PATH": str(shims)}, capture_output=True, text=True, check=False
    )
    _one_sentence(result, "FL-K320")
    assert "3.9" in result.stderr
    assert "3.11" in result.stderr
    assert not (checkout / ".venv").exists()


def test_a_newer_python_beside_an_old_one_is_found(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, answer in {"python3": "3.9", "python3.12": "3.12"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho {answer}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    assert module.find_python() == str(tmp_path / "python3.12")


@pytest.mark.parametrize("answer", ["exit 1", "echo rubbish", "echo", "echo 3"])
def test_a_broken_python_is_passed_over(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    (tmp_path / "python3").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    with pytest.raises(module.Stop, match="FL-K320"):
        module.find_python()


def test_a_checkout_that_cannot_be_written(checkout: Path) -> None:
    (checkout / "build").write_text("a file where the folder should be")
    _one_sentence(_bootstrap(checkout, "demo"), "FL-K327")


def test_little_room_is_said_before_anything_is_made(
    module: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "NEEDED_BYTES", 2**62)
    assert module.main(["demo"]) == 2
    assert "FL-K321" in capsys.readouterr().err
    assert not (checkout / ".venv").exists()


def test_a_disk_that_runs_full_on_the_way_is_one_sentence(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files may not grow past 1 kB: what Python and pip then write fails as on a full disk does (EFBIG for ENOSPC)."""
    monkeypatch.setattr(
        module, "find_pip", lambda *_: ["sh", "-c", "echo '[Errno 28] No space left on device'; exit 1"]
    )
    assert module.main(["demo"]) == 2
    err = capsys.readouterr().err
    assert "FL-K321" in err
    assert "Disken løb fuld" in err


def test_a_disk_that_is_full_for_our_own_files(checkout: Path) -> None:
    (checkout / "build").mkdir()
    (checkout / "build" / "bootstrap.log").symlink_to("/dev/full")
    _one_sentence(_bootstrap(checkout, "demo"), "FL-K321")


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "FL-K321"),
        ("npm error code ENOSPC", "FL-K321"),
        ("urllib3.exceptions.NewConnectionError: Failed to establish a new connection: [Errno 111]", "FL-K323"),
        ("npm error code ENOTFOUND", "FL-K323"),
        ("npm error code EAI_AGAIN", "FL-K323"),
        ("SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "FL-K324"),
        ("npm error code SELF_SIGNED_CERT_IN_CHAIN", "FL-K324"),
        ("ERROR: No matching distribution found for pandas==9", "FL-K325"),
        ("npm error code E404", "FL-K325"),
        ("Segmentation fault", "FL-K326"),
        ("", "FL-K326"),
    ],
)
def test_causes(module: ModuleType, output: str, code: str) -> None:
    text = str(module.explain(output, "Pakker"))
    assert code in text
    assert "Gør: " in text


def test_what_would_send_files_elsewhere_is_not_passed_on(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_CONSTRAINT", "PIP_USER"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1/simple")
    env = module.child_environment()
    assert not {"PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_CONSTRAINT"} & set(env)
    assert env["PIP_USER"] == "0"
    assert env["PIP_INDEX_URL"] == "http://127.0.0.1/simple"


@pytest.fixture
def faked(module: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The real order of things with pip and npm replaced by programs that note that they were called."""
    calls: list[str] = []
    real = module.Steps.run

    def run(steps: object, command: list[object], **more: object) -> int:
        words = [str(word) for word in command]
        if "install" in words or words[1] == "ci":
            calls.append("npm" if words[1] == "ci" else "pip")
            (checkout / "hub" / "node_modules").mkdir(exist_ok=True)
            return 0
        return int(real(steps, command, **more))

    monkeypatch.setattr(module.Steps, "run", run)
    monkeypatch.setattr(module, "find_pip", lambda *_: [str(module.PYTHON), "-m", "pip"])
    monkeypatch.setattr(module, "find_python", lambda: os.path.realpath(sys.executable))
    return calls


def test_the_second_time_nothing_is_done(module: ModuleType, faked: list[str], checkout: Path) -> None:
    assert module.main(["demo"]) == 0
    assert faked == ["pip", "pip", "npm"]
    assert module.main(["demo"]) == 0
    assert faked == ["pip", "pip", "npm"]
    assert not (checkout / "build" / "venv.unfinished").exists()


@pytest.mark.parametrize("made_for", ["test", "prove"])
def test_what_is_made_for_the_tests_serves_the_demo(module: ModuleType, faked: list[str], made_for: str) -> None:
    assert module.main([made_for]) == 0
    faked.clear()
    assert module.main(["demo"]) == 0
    assert faked == []


def test_what_is_made_for_the_demo_does_not_serve_the_tests(module: ModuleType, faked: list[str]) -> None:
    assert module.main(["demo"]) == 0
    faked.clear()
    assert module.main(["test"]) == 0
    assert faked == ["pip", "pip", "npm"]


@pytest.mark.parametrize("changed", ["images/constraints/hub.txt", "pyproject.toml", "hub/bootstrap.py"])
def test_changed_pins_are_installed(module: ModuleType, faked: list[str], checkout: Path, changed: str) -> None:
    assert module.main(["demo"]) == 0
    faked.clear()
    with (checkout / changed).open("a") as file:
        file.write("\n# changed\n")
    assert module.main(["demo"]) == 0
    assert faked == ["pip", "pip"]


def test_changed_npm_lock(module: ModuleType, faked: list[str], checkout: Path) -> None:
    assert module.main(["demo"]) == 0
    faked.clear()
    with (checkout / "hub/package-lock.json").open("a") as file:
        file.write("\n")
    assert module.main(["demo"]) == 0
    assert faked == ["npm"]


@pytest.mark.parametrize("damage", ["unfinished", "python", "folder", "stamp", "rubbish"])
def test_a_damaged_environment_heals(module: ModuleType, faked: list[str], checkout: Path, damage: str) -> None:
    assert module.main(["demo"]) == 0
    trap = checkout / ".venv" / "left-over"
    trap.write_text("")
    if damage == "unfinished":
        (checkout / "build" / "venv.unfinished").touch()
    elif damage == "python":
        for python in (checkout / ".venv" / "bin").glob("python*"):
            python.unlink()
    elif damage == "folder":
        shutil.rmtree(checkout / ".venv")
    else:
        (checkout / ".venv" / "faelleslab.json").write_text("" if damage == "stamp" else "[1]")
    faked.clear()
    assert module.main(["demo"]) == 0
    assert faked == ["pip", "pip"]
    # What was found half-made is not built upon.
    assert not trap.exists()


def test_a_moved_checkout_is_made_again(module: ModuleType, faked: list[str], checkout: Path) -> None:
    assert module.main(["demo"]) == 0
    stamp = json.loads((checkout / ".venv" / "faelleslab.json").read_text())
    (checkout / ".venv" / "faelleslab.json").write_text(json.dumps({**stamp, "checkout": "/before"}))
    (checkout / ".venv" / "left-over").write_text("")
    assert module.main(["demo"]) == 0
    assert not (checkout / ".venv" / "left-over").exists()


def test_an_interrupted_run_says_so_and_the_next_one_heals(
    module: ModuleType, faked: list[str], checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "find_pip", interrupted)
        assert module.main(["demo"]) == 130
    assert (checkout / "build" / "venv.unfinished").exists()
    assert not module.up_to_date("venv", "demo")
    assert module.main(["demo"]) == 0
    assert module.up_to_date("venv", "demo")


def test_killed_in_the_middle_the_lock_stays_until_its_child_has_ended(module: ModuleType, checkout: Path) -> None:
    """kill -9 of the bootstrap leaves pip writing: the next bootstrap must wait for it."""
    child_note = checkout / "child"
    code = (
        f"import sys; sys.path.insert(0, {str(checkout / 'hub')!r}); import bootstrap\n"
        f"bootstrap.find_pip = lambda steps, python: steps.run(['sh', '-c',"
        f" 'trap \"\" PIPE; echo $$ > {child_note.name}; sleep 600'], cwd=bootstrap.Path({str(checkout)!r}))\n"
        "bootstrap.main(['demo'])"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not child_note.exists() or not child_note.read_text():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        child = int(child_note.read_text())
        process.kill()
        process.wait()
        with (checkout / "build" / "bootstrap.lock").open("w") as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for pid in [*_children(child), child]:
                os.kill(pid, signal.SIGKILL)
            fcntl.flock(lock, fcntl.LOCK_EX)
    finally:
        process.kill()
        process.wait()


def test_make_without_python_is_one_sentence() -> None:
    result = subprocess.run(
        ["make", "demo", "PYTHON=no-such-python"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert "Python mangler" in result.stderr


def test_make_help_lists_every_target() -> None:
    out = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "check", "up", "down", "images", "bench", "prove", "constraints", "record", "fix"):
        assert f"make {target} " in out


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in text.read_text().split()] if text.exists() else []
