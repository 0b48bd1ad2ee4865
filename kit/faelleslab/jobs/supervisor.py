"""Starts the child of a run, hears it out, and stops it when it must be stopped.

The standard library alone, and little of it: what is imported here is paid by every run. What the child sends is handed
on; what it is to be believed for is decided in `faelleslab.jobs.runner`.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

GRACE_S = 2.0
"""From the polite interrupt to the kill, seconds."""
MARK = "FAELLESLAB_RUN"
"""Environment variable by which every process a notebook has started is known again."""
_LARGEST_LINE = 40_000_000
_CHUNK = 1 << 20
_F_SETPIPE_SZ = 1031
_EVENT_DESCRIPTOR = 3


@dataclass
class Ending:
    """How the child ended.

    Attributes
    ----------
    ready : bool
        It came so far as to run cells.
    finished : bool
        It said the last word with the right token.
    exit_code : int
        As of a shell: negative for a signal's number.
    stopped : str
        ``TIMED_OUT`` or ``CANCELLED`` when the parent stopped it; else empty.
    cpu_seconds : float
    peak_memory_bytes : int
    versions : dict
        Of what the notebook had imported.
    last_words : str
        What it wrote to stderr before it was ready: why it could not start.
    """

    ready: bool = False
    finished: bool = False
    exit_code: int = 0
    stopped: str = ""
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    last_words: str = ""


class Supervisor:
    """One child from start to end.

    Parameters
    ----------
    job : dict
        Handed to the child on stdin: cells and limits.
    environment : dict of str to str
    on_event : callable
        Called with each event of the child, and ``{"e": "raw", "name", "text"}`` for what arrived on descriptors 1, 2.
    on_time : callable
        Called between events at least every `every_s`; where the notebook is saved.
    """

    def __init__(
        self,
        job: dict[str, Any],
        environment: dict[str, str],
        on_event: Callable[[dict[str, Any]], None],
        on_time: Callable[[], None],
        every_s: float = 1.0,
    ) -> None:
        self._job = job
        self._environment = {**environment, MARK: job["token"]}
        self._on_event = on_event
        self._on_time = on_time
        self._every_s = every_s
        self._ending = Ending()
        self._line = bytearray()
        self._overlong = False
        self._pid = 0
        self._interrupted_at: float | None = None
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._cancelled = False

    def cancel(self) -> None:
        """Stop the run; safe in a signal handler and from another thread."""
        self._cancelled = True
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")

    def run(self, deadline_s: float | None = None) -> Ending:
        """Start the child and return when it, and everything it started, is gone.

        Parameters
        ----------
        deadline_s : float, seconds from now, or None
        """
        deadline = None if deadline_s is None else time.monotonic() + deadline_s
        events, out, err = self._start()
        try:
            self._hear(events, out, err, deadline)
        finally:
            self._end()
            with contextlib.suppress(OSError):
                for descriptor, name in ((out, "stdout"), (err, "stderr")):
                    self._raw(descriptor, name)
            for descriptor in (events, out, err, self._wake_read, self._wake_write):
                os.close(descriptor)
        return self._ending

    def _start(self) -> tuple[int, int, int]:
        job_read, job_write = _pipe()
        events, events_child = _pipe()
        out, out_child = _pipe()
        err, err_child = _pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(events, _F_SETPIPE_SZ, _CHUNK)
        self._pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", "faelleslab.jobs.worker"],
            self._environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, source, target)
                for source, target in ((job_read, 0), (out_child, 1), (err_child, 2), (events_child, _EVENT_DESCRIPTOR))
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT],
        )
        for descriptor in (job_read, events_child, out_child, err_child):
            os.close(descriptor)
        for descriptor in (events, out, err):
            os.set_blocking(descriptor, False)
        with contextlib.suppress(BrokenPipeError), open(job_write, "wb") as sink:  # noqa: PTH123 - a descriptor
            sink.write(json.dumps(self._job).encode())
        return events, out, err

    def _hear(self, events: int, out: int, err: int, deadline: float | None) -> None:
        poll = select.poll()
        for descriptor in (events, out, err, self._wake_read):
            poll.register(descriptor, select.POLLIN)
        gone = _pidfd(self._pid)
        if gone is not None:
            poll.register(gone, select.POLLIN)
        raw = {out: "stdout", err: "stderr"}
        hears = True
        try:
            while True:
                ready = {d for d, _ in poll.poll(self._wait_ms(deadline, has_pidfd=gone is not None))}
                # Events first and always: a cell's "start" was sent before anything the cell wrote itself.
                if hears and not self._read_events(events):
                    poll.unregister(events)
                    hears = False
                for descriptor in ready & raw.keys():
                    if not self._raw(descriptor, raw[descriptor]):
                        poll.unregister(descriptor)
                        raw.pop(descriptor)
                if self._wake_read in ready:
                    os.read(self._wake_read, 100)
                self._on_time()
                if self._is_gone():
                    while self._read_events(events, only_waiting=True):
                        pass
                    return
                self._stop_if_due(deadline)
        finally:
            if gone is not None:
                os.close(gone)

    def _wait_ms(self, deadline: float | None, *, has_pidfd: bool) -> float:
        wait = self._every_s if has_pidfd else min(0.2, self._every_s)
        now = time.monotonic()
        if self._interrupted_at is not None:
            wait = min(wait, self._interrupted_at + GRACE_S - now)
        elif deadline is not None:
            wait = min(wait, deadline - now)
        return max(1.0, wait * 1000)

    def _stop_if_due(self, deadline: float | None) -> None:
        now = time.monotonic()
        if self._interrupted_at is None:
            if self._cancelled:
                self._ending.stopped = "CANCELLED"
            elif deadline is not None and now >= deadline:
                self._ending.stopped = "TIMED_OUT"
            else:
                return
            self._interrupted_at = now
            _kill_group(self._pid, signal.SIGINT)
        elif now >= self._interrupted_at + GRACE_S:
            _kill_group(self._pid, signal.SIGKILL)

    def _is_gone(self) -> bool:
        return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _raw(self, descriptor: int, name: str) -> bool:
        """Read what waits on descriptor 1 or 2 of the child; False when it is closed."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return True
        if data:
            text = data.decode("utf-8", "replace")
            if self._ending.ready:
                self._on_event({"e": "raw", "name": name, "text": text})
            else:
                self._ending.last_words = (self._ending.last_words + text)[-20_000:]
        return bool(data)

    def _read_events(self, descriptor: int, *, only_waiting: bool = False) -> bool:
        """Read events that wait; False when the pipe is closed (or, if so asked, empty)."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return not only_waiting
        if not data:
            return False
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line += line
            whole, self._line = self._line, bytearray()
            if self._overlong:
                self._overlong = False
                self._on_event({"e": "dropped"})
            else:
                self._event(bytes(whole))
        if not self._overlong:
            self._line += rest
        if len(self._line) > _LARGEST_LINE:
            self._overlong = True
            self._line.clear()
        return True

    def _event(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(event, dict):
            return
        kind = event.get("e")
        if kind == "ready":
            self._ending.ready = True
        elif kind == "finished":
            if event.get("token") == self._job["token"]:
                self._ending.finished = True
                versions = event.get("versions")
                self._ending.versions = dict(versions) if isinstance(versions, dict) else {}
        else:
            self._on_event(event)

    def _end(self) -> None:
        """Kill what is left of the child's group, take its figures, and hunt down what left the group."""
        if not self._is_gone():
            _kill_group(self._pid, signal.SIGKILL)
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        _kill_group(self._pid, signal.SIGKILL)  # the unreaped leader still guards the number of the group
        _, status, usage = os.wait4(self._pid, 0)
        self._ending.exit_code = os.waitstatus_to_exitcode(status)
        self._ending.cpu_seconds = usage.ru_utime + usage.ru_stime
        self._ending.peak_memory_bytes = usage.ru_maxrss * 1024
        kill_marked(self._job["token"])


def kill_marked(token: str) -> int:
    """Kill every process that carries a run's mark in its environment, and return how many there were.

    A process that has left the group (a daemon) is found this way; one that also wiped its environment is not, and ends
    with the container.
    """
    needle = f"{MARK}={token}".encode()
    n_killed = 0
    for _ in range(5):  # one that forks while it is looked for is found in the next round
        found = [pid for pid in _processes() if _carries(pid, needle)]
        if not found:
            break
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                n_killed += 1
    return n_killed


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]  # noqa: PTH208
    except OSError:
        return []


def _carries(pid: int, needle: bytes) -> bool:
    try:
        descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return needle in os.read(descriptor, 1 << 18).split(b"\0")
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends lie above the descriptors the child gets."""
    ends = os.pipe2(os.O_CLOEXEC)
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):  # an old kernel, or a container's filter: then we look every 0.2 s
        return None
