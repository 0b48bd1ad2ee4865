"""Keeps the workbench's processes running in `make demo` and `make up`: start, readiness, restart, and a clean end.

Production uses systemd units for the same commands. Every process has a session and a log of its own. One that dies
is started again after a growing pause, so a hub that is killed comes back while servers go on. At the end every
descendant ends too (users' servers, kernels, runs): the supervisor adopts those whose parent died. A guard above it
does the same should the supervisor itself be killed. Containers are no descendants: `down` ends them by their label.
"""

import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faelleslab.errors import ConfigurationError
from faelleslab_hub import process_tree
from faelleslab_hub.settings import Settings

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_WATCHED = {*STOP_SIGNALS, signal.SIGCHLD}
START_TIMEOUT_S = 90.0
GRACE_S = 12.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _STEADY_S = 0.5, 30.0, 60.0
# Passed on from the caller's environment; everything else stays out (tokens in a shell are none of the workbench's).
_PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM", "PYTHONPATH"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "DOCKER_HOST", "DOCKER_CERT_PATH"),
    *("DOCKER_TLS_VERIFY", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)


@dataclass
class Process:
    """One process of the workbench.

    ``ready`` tells whether it answers; it must return within a second. ``last`` processes are stopped after the
    others: the broker signs what the others wrote to the audit chain while stopping.
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    last: bool = False
    pid: int = 0
    since: float = 0.0
    deaths: int = 0
    restart_at: float = field(default=math.inf, repr=False)


class Stopped(Exception):
    """The user or the machine asked for the end while something was being waited for."""


class Supervisor:
    """Runs the processes until it is told to stop.

    Parameters
    ----------
    settings : Settings
    processes : sequence of Process
        In the order of their start.
    say : callable
        Gets one Danish line for what the user should know.
    """

    def __init__(self, settings: Settings, processes: Sequence[Process], say: Callable[[str], None]) -> None:
        self.settings, self.processes, self.say = settings, list(processes), say
        process_tree.adopt_orphans()
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)

    def start(self, progress: Callable[[int, int, str], None]) -> None:
        """Start all processes and wait until each is ready; raises `ConfigurationError` when one does not get there."""
        self.settings.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        for process in self.processes:
            rotate(self.log(process))
        waiting = list(self.processes)
        deadline = time.monotonic() + START_TIMEOUT_S
        for process in self.processes:
            self._spawn(process)
            # The first one is the proxy: the hub registers its routes there as its first act.
            while process is self.processes[0] and not process.ready():
                self._tick(deadline, process)
        while waiting:
            progress(len(self.processes) - len(waiting), len(self.processes), waiting[0].name)
            if waiting[0].pid and waiting[0].ready():
                waiting.pop(0)
            else:
                self._tick(deadline, waiting[0])
        progress(len(self.processes), len(self.processes), "")

    def watch(self) -> None:
        """Start again what dies, until a stop signal comes."""
        with contextlib.suppress(Stopped):
            while True:
                self.pause(self._until_restart())

    def stop(self) -> bool:
        """End every process and everything they started; False when something had to be killed."""

        def pause(seconds: float) -> bool:
            try:
                self.pause(seconds, restart=False)
            except Stopped:
                return True
            return False

        spared = [process.pid for process in self.processes if process.last and process.pid]
        me = os.getpid()
        clean = process_tree.end_all(me, GRACE_S, pause, spared)
        return process_tree.end_all(me, GRACE_S, pause) and clean

    def pause(self, seconds: float, *, restart: bool = True) -> None:
        """Wait for a signal at most so long, look after the processes; raises `Stopped` on a stop signal."""
        got = signal.sigtimedwait(_WATCHED, max(seconds, 0.0))
        for pid, code in process_tree.reap():
            self._note_death(pid, code, restart=restart)
        if got and got.si_signo != signal.SIGCHLD:
            raise Stopped
        for process in self.processes:
            if restart and not process.pid and time.monotonic() >= process.restart_at:
                self._spawn(process)

    def log(self, process: Process) -> Path:
        """Say where a process's log lies."""
        return self.settings.logs / f"{process.name}.log"

    def _tick(self, deadline: float, waited_for: Process) -> None:
        self.pause(0.05)
        if waited_for.deaths > 2 or time.monotonic() > deadline:
            raise ConfigurationError(
                "FL-K335",
                f"Processen '{waited_for.name}' kom ikke i gang." + _last_sentence(self.log(waited_for)),
                remedy=f"læs {self.log(waited_for)}, og kør kommandoen igen.",
            )

    def _until_restart(self) -> float:
        pending = [process.restart_at - time.monotonic() for process in self.processes if not process.pid]
        return min([*pending, 3600.0])

    def _note_death(self, pid: int, code: int, *, restart: bool) -> None:
        for process in self.processes:
            if process.pid == pid:
                steady = time.monotonic() - process.since > _STEADY_S
                process.deaths = 1 if steady else process.deaths + 1
                pause_s = min(_FIRST_PAUSE_S * 2 ** (process.deaths - 1), _LONGEST_PAUSE_S)
                process.pid, process.restart_at = 0, time.monotonic() + pause_s
                if restart:
                    how = f"signal {-code}" if code < 0 else f"kode {code}"
                    self.say(f"Processen '{process.name}' stoppede ({how}) og startes igen om {pause_s:.0f} s.")

    def _spawn(self, process: Process) -> None:
        log = os.open(self.log(process), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            process.pid = os.posix_spawn(
                process.command[0],
                list(process.command),
                environment(self.settings),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[*_WATCHED, signal.SIGPIPE],
            )
        finally:
            os.close(log)
        process.since = time.monotonic()


def environment(settings: Settings) -> dict[str, str]:
    """Build the environment of a process: the settings, and of the caller's what every program needs."""
    kept = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith("LC_")}
    own = {name: value for name, value in os.environ.items() if name.startswith("FAELLESLAB_")}
    if "PYTHONPATH" in kept:
        kept["PYTHONPATH"] = os.pathsep.join(str(Path(part).resolve()) for part in kept["PYTHONPATH"].split(os.pathsep))
    # The hub starts `jupyterhub-singleuser` by name.
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return {**kept, **own, **settings.environment(), "PYTHONUNBUFFERED": "1"}


def command(name: str) -> list[str]:
    """Build the command of a process; -P keeps the folder it happens to start in out of the import path."""
    return [sys.executable, "-P", "-m", "faelleslab_hub.cli", name]


def rotate(log: Path, kept: int = 3) -> None:
    """Begin a new log and keep the last ones as ``.1`` to ``.3``."""
    for number in range(kept, 0, -1):
        older = log.with_name(f"{log.name}.{number - 1}") if number > 1 else log
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))


def guarded(work: Callable[[], int]) -> int:
    """Run `work` in a child that is watched over: killed or not, what it started ends with it.

    The child gets SIGTERM when this process dies; this process ends the child's descendants when the child dies
    without doing so. Give it before any thread is started.

    Returns
    -------
    int
        The exit code of `work`; 70 when it was killed.
    """
    process_tree.adopt_orphans()
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    me = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        # A session of its own: Ctrl-C reaches this process once, through the guard.
        os.setsid()
        process_tree.end_with_parent()
        if os.getppid() != me:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        os._exit(_exit_code(work))
    code: int | None = None
    while code is None:
        got = signal.sigtimedwait(_WATCHED, 3600.0)
        if got and got.si_signo != signal.SIGCHLD:
            os.kill(child, signal.SIGTERM)
        code = next((status for pid, status in process_tree.reap() if pid == child), None)
    process_tree.end_all(me, GRACE_S, _wait_and_reap)
    return code if code >= 0 else 70


def _exit_code(work: Callable[[], int]) -> int:
    """Give work's exit code the way the command line would: errors of the family are for the caller to print."""
    try:
        return work()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _wait_and_reap(seconds: float) -> bool:
    signal.sigtimedwait({signal.SIGCHLD}, seconds)
    for _ in process_tree.reap():
        pass
    return False


def _last_sentence(log: Path) -> str:
    """Quote the process's own clear sentence, when its log ends with one."""
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in reversed(lines[-20:]):
            if line.endswith(")") and "(FL-" in line:
                return f" Den skrev: {line}"
    return ""
