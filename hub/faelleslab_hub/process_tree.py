"""What runs below a process, read from /proc, and how all of it is ended: by process id only, never by name."""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def adopt_orphans() -> None:
    """Let every descendant whose parent dies become our child, so that none is lost (a Linux subreaper)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> None:
    """Ask for SIGTERM when the parent dies, however it dies."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def started(pid: int) -> int | None:
    """Give a process's start time in clock ticks since boot, or None when there is none (a zombie is none).

    Together with the process id it names a process for good: the id alone may be used again.
    """
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def descendants(root: int) -> dict[int, int]:
    """Give every living process below `root` as {process id: start time}."""
    children: dict[int, list[int]] = {}
    begun: dict[int, int] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208  (hundreds of names, several times a second at a stop)
        if entry.isdigit() and (fields := _stat(int(entry))) and fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(int(entry))
            begun[int(entry)] = int(fields[19])
    found: dict[int, int] = {}
    waiting = list(children.get(root, ()))
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = begun[pid]
            waiting += children.get(pid, ())
    return found


def send(pids: dict[int, int], number: signal.Signals) -> None:
    """Signal the processes that are still the same ones as when they were listed."""
    for pid, start in pids.items():
        if started(pid) == start:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def reap() -> Iterable[tuple[int, int]]:
    """Collect ended children; gives (process id, exit code), the code negative for a signal."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def end_all(root: int, grace_s: float, pause: Callable[[float], object], spare: Iterable[int] = ()) -> bool:
    """End every descendant of `root`: TERM, time to finish, then KILL.

    Parameters
    ----------
    root : int
        Must be this process or one that adopts orphans.
    grace_s : float, seconds
        How long a process has after TERM.
    pause : callable
        Waits at most so many seconds and reaps; its truth ends the grace at once (a second Ctrl-C).
    spare : iterable of int
        Process ids that are left alone, with all that runs below them.

    Returns
    -------
    bool
        False when a process had to be killed.
    """
    clean, told = True, set[tuple[int, int]]()
    deadline = time.monotonic() + grace_s
    while living := _without(descendants(root), spare):
        late = time.monotonic() > deadline
        # A process that was started after the first look is told as well; one that was told is given its time.
        new = living if late else {pid: start for pid, start in living.items() if (pid, start) not in told}
        send(new, signal.SIGKILL if late else signal.SIGTERM)
        told |= set(new.items())
        clean = clean and not late
        if pause(0.05 if time.monotonic() < deadline - grace_s + 1 else 0.2):
            deadline = min(deadline, time.monotonic())
        if time.monotonic() > deadline + 10:
            return False  # what is still there cannot be killed (uninterruptible): do not wait for ever
    return clean


def _without(living: dict[int, int], spare: Iterable[int]) -> dict[int, int]:
    kept = {pid for root in spare for pid in (root, *descendants(root))}
    return {pid: start for pid, start in living.items() if pid not in kept}


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the state on: 0 state, 1 parent, 19 start time."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
