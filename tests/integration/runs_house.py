"""An installation of its own with real placer and inspector processes, which can be killed at any step."""

import contextlib
import io
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa

from faelleslab_hub import cli, database
from faelleslab_hub.audit.models import Event
from faelleslab_hub.placer.placing import Placer
from faelleslab_hub.runs import presence, store
from faelleslab_hub.runs.models import Run
from faelleslab_hub.settings import CHECKOUT, Settings
from faelleslab_hub.tenants import Tenant, Tenants

PATIENCE_S = 90.0

COUNTING = """\
# %% tags=["parameters"]
counter: str = ""
gate: str = ""
kode: str = "0101"
# %%
import os, pathlib, time
with open(counter, "a") as file:
    file.write(f"{os.getpid()} {kode}\\n")
# %%
while gate and not pathlib.Path(gate).exists():
    time.sleep(0.02)
(pathlib.Path(os.environ["FAELLESLAB_OUTPUT"]) / "svar.txt").write_text(kode)
"""
"""Notes each execution in a file outside the run, then waits until a gate file exists."""


def until(look: Callable[[], Any], *, patience_s: float = PATIENCE_S) -> Any:
    """Wait for something to come true; gives what was seen."""
    deadline = time.monotonic() + patience_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {patience_s} s in vain"
        time.sleep(0.02)
    return seen


def turn(placer: Placer) -> None:
    """Let a placer of this process do one turn, as its own loop would."""
    poll = select.poll()
    for descriptor in placer.watched():
        poll.register(descriptor, select.POLLIN)
    placer.turn(frozenset(descriptor for descriptor, _ in poll.poll(0)))


class RunsHouse:
    """Processes and rows of one installation."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tenants = Tenants.load(settings.config)
        self.environment = {
            **os.environ,
            **settings.environment(),
            "PYTHONPATH": os.pathsep.join(str(CHECKOUT / part) for part in ("kit", "hub", ".")),
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        database.upgrade(settings)

    # --- processes

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a process of the hub and wait until it is at work."""
        process = self._spawn("faelleslab_hub.cli", *words)
        until(lambda: process.poll() is not None or presence.is_alive(self.settings, words[0]))
        assert process.poll() is None, self.log()
        return process

    def start_to_die(self, name: str, step: str) -> subprocess.Popen[bytes]:
        """Start a placer or inspector that kills itself with SIGKILL at a step (see `dying`)."""
        return self._spawn("tests.integration.dying", name, step)

    def start_without_lock(self) -> subprocess.Popen[bytes]:
        """Start a placer that works even when another one does."""
        return self._spawn("tests.integration.dying", "placer", "never:no-lock")

    def _spawn(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        log = (self.settings.home / "processes.log").open("ab")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def log(self) -> str:
        """Give all that the processes wrote."""
        return (self.settings.home / "processes.log").read_text()

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "faelleslab_hub.cli", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def command(self, *words: str) -> tuple[int, str]:
        """Run a command in this process; gives exit code and what it said on stderr."""
        said = io.StringIO()
        with mock.patch.dict(os.environ, self.settings.environment()), contextlib.redirect_stderr(said):
            code = cli.main(list(words))
        return code, said.getvalue()

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process as an out-of-memory killer would."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """End every process this house started."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        database.engine(self.settings).dispose()

    # --- rows

    def submit(self, notebook: str | bytes = COUNTING, given: Mapping[str, str] | None = None, **more: Any) -> str:
        """Record a run and give its id."""
        tenant: Tenant = self.tenants.get(more.pop("tenant", "0751"))
        content = notebook if isinstance(notebook, bytes) else notebook.encode()
        options = {"timeout_s": 60, "submitted_by": None, **more}
        run_id = store.submit(self.settings, tenant, "t.py", content, dict(given or {}), **options)
        presence.wake(self.settings, "placer")
        return run_id

    def run(self, run_id: str) -> Run:
        """Give a run's row as it is now."""
        found = store.get(self.settings, run_id)
        assert found is not None
        return found

    def ended(self, run_id: str) -> Run:
        """Wait for a run's end."""

        def look() -> Run | None:
            row = self.run(run_id)
            return row if row.stage == "ENDED" else None

        return until(look)

    def events(self, run_id: str) -> list[str]:
        """Give the types of a run's events in order."""
        with database.session(self.settings, read_only=True) as session:
            return list(session.scalars(sa.select(Event.type).where(Event.subject == run_id).order_by(Event.seq)))

    def output(self, run_id: str) -> Path:
        """Give a run's output folder."""
        row = self.run(run_id)
        return self.settings.run_folder(row.tenant, run_id) / "output"

    def control(self, run_id: str) -> Path:
        """Give a run's control folder."""
        return self.output(run_id).with_name("control")
