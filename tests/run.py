"""What `make check`, `make test`, `make bench`, `make prove` and `make record` do, one stage after another.

A stage that fails does not stop the next: the summary names every one that failed, and how long each took. What could
not be run on this machine is listed in plain words; with CI=true it is a failure.
"""

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv" / "bin"
ARTEFACTS = ROOT / "tests" / "artefacts"
# From the quick and plain to the slow and real.
FOLDERS = ("unit", "notebooks", "integration", "security", "ansible", "browser")
CHECK_LIMIT_S, TEST_LIMIT_S = 90, 1800


@dataclass
class Stage:
    """One command with its name, time and result."""

    name: str
    command: Sequence[str]
    seconds: float = 0.0
    code: int = 0


def main(words: list[str]) -> int:
    """Run one of them; gives the exit code for make."""
    if len(words) != 1 or words[0] not in _TASKS:
        print(f"Brug: tests/run.py {'|'.join(_TASKS)}", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    for old in ARTEFACTS.glob("*.xml"):
        old.unlink()
    try:
        return _TASKS[words[0]]()
    except KeyboardInterrupt:
        print("\nAfbrudt.", file=sys.stderr)
        return 130


def check() -> int:
    """Format, rules, types and the fast tests."""
    fast = _pytest("hurtige prøver", "unit", "-q", "-m", "not docker and not browser and not postgres and not slow")
    return _finish(_run([*_static(), fast]), CHECK_LIMIT_S)


def test() -> int:
    """Everything; installs the real parts it needs where root or sudo allows."""
    from tests.machine.engine import Engine

    os.environ["FAELLESLAB_INSTALL"] = "1"
    from tests.machine import packages

    packages.install(lambda text: print(text, flush=True))
    # Started once for all stages; each stage would otherwise start and stop its own.
    engine = Engine()
    engine.start()
    try:
        stages = [_pytest(folder, folder) for folder in FOLDERS if any((ROOT / "tests" / folder).rglob("test_*.py"))]
        done = _run([*_static(), *stages])
    finally:
        engine.stop()
    return _finish(done, TEST_LIMIT_S)


def bench() -> int:
    """Every measurement in tests/bench."""
    return _finish(_run(_programs("bench")))


def prove() -> int:
    """Every long proof in tests/proofs; each writes dated JSON to tests/proofs/results."""
    return _finish(_run(_programs("proofs")))


def record() -> int:
    """Record the answers of the open-data services again."""
    return _finish(_run([Stage("optagelse", [sys.executable, "-m", "faelleslab.data.record"])]))


_TASKS = {"check": check, "test": test, "bench": bench, "prove": prove, "record": record}


def _static() -> list[Stage]:
    ruff = str(BIN / "ruff")
    return [
        Stage("format", [ruff, "format", "--check", "--quiet", "."]),
        Stage("regler", [ruff, "check", "--quiet", "."]),
        Stage("typer", [str(BIN / "mypy"), "--no-error-summary"]),
    ]


def _pytest(name: str, folder: str, *more: str) -> Stage:
    report = ARTEFACTS / f"{folder}.xml"
    return Stage(name, [sys.executable, "-m", "pytest", f"tests/{folder}", f"--junitxml={report}", *more])


def _programs(folder: str) -> list[Stage]:
    """Find the programs: a module, or a folder with `prove.py` or `measure.py`, that has a `main`."""
    base = ROOT / "tests" / folder
    found = sorted([*base.glob("*.py"), *base.glob("*/prove.py"), *base.glob("*/measure.py")])
    return [
        Stage(
            str(path.relative_to(base)), [sys.executable, "-m", ".".join(path.relative_to(ROOT).with_suffix("").parts)]
        )
        for path in found
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]


def _run(stages: list[Stage]) -> list[Stage]:
    for stage in stages:
        print(f"── {stage.name}", flush=True)
        began = time.monotonic()
        stage.code = subprocess.run(stage.command, check=False).returncode
        stage.seconds = time.monotonic() - began
    return stages


def _finish(stages: list[Stage], limit_s: float = 0) -> int:
    total = sum(stage.seconds for stage in stages)
    print("\n── i alt")
    for stage in stages:
        print(f"{'ok  ' if stage.code == 0 else 'FEJL'} {stage.seconds:7.1f} s  {stage.name}")
    late = f" (over grænsen på {limit_s} s)" if limit_s and total > limit_s else ""
    print(f"     {total:7.1f} s{late}")
    failed = [stage.name for stage in stages if stage.code]
    skipped = _skipped()
    for line in skipped:
        print(f"Ikke kørt: {line}")
    if skipped and os.environ.get("CI") == "true":
        failed.append("noget blev ikke kørt, og CI=true")
    if failed:
        print(f"Mislykket: {', '.join(failed)}.")
    return 1 if failed else 0


def _skipped() -> list[str]:
    """List every skipped test with its reason, from the reports of this run."""
    lines = []
    for folder in FOLDERS:
        report = ARTEFACTS / f"{folder}.xml"
        if report.is_file():
            for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314  (written by pytest, just now)
                for skip in case.iter("skipped"):
                    lines.append(f"{case.get('classname')}.{case.get('name')}: {skip.get('message')}")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
