"""Is a process of ours at work, and how to wake it: a lock the kernel frees at any death, and a named pipe.

A heartbeat in the database would cost a write per second and be late by design; the lock of a killed process is free
at once. It also makes sure that of several placers one works and the others stand by.
"""

import fcntl
import math
import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from faelleslab_hub.settings import Settings
from faelleslab_hub.shared_files import open_shared


def _path(settings: Settings, name: str, kind: str) -> Path:
    return settings.home / "presence" / f"{name}.{kind}"


def _ensure_folder(settings: Settings) -> None:
    folder = settings.home / "presence"
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(settings.shared_folder_mode)


def is_alive(settings: Settings, name: str) -> bool:
    """Say whether a process of this name holds its lock."""
    try:
        descriptor = os.open(_path(settings, name, "lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def hold(settings: Settings, name: str, keep_waiting: Callable[[], bool]) -> Iterator[bool]:
    """Hold the lock of a name; gives False when ``keep_waiting`` ended the wait for it.

    Parameters
    ----------
    settings : Settings
        Where the installation lives.
    name : str
        ``placer`` or ``inspector``.
    keep_waiting : callable
        Waits a moment and says whether to go on waiting for another process to let go.
    """
    path = _path(settings, name, "lock")
    _ensure_folder(settings)
    descriptor = open_shared(path, os.O_RDWR, settings)
    try:
        held = _lock(descriptor)
        while not held and keep_waiting():
            held = _lock(descriptor)
        yield held
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wake(settings: Settings, name: str) -> None:
    """Wake a process so that it looks at the rows now; never fails: at worst it looks a second later by itself."""
    try:
        descriptor = os.open(_path(settings, name, "wake"), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(descriptor, b"!")
    except OSError:
        return
    finally:
        os.close(descriptor)


class Doorbell:
    """Sleep until woken, until a watched file descriptor is ready, or until a time has passed."""

    def __init__(self, settings: Settings, name: str) -> None:
        path = _path(settings, name, "wake")
        _ensure_folder(settings)
        if not path.is_fifo():
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
            path.chmod(settings.shared_file_mode)
        # Opened for both ways, so that the pipe never reports an end when its last writer leaves.
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def wait(self, timeout_s: float, watched: list[int] | None = None) -> frozenset[int]:
        """Sleep; gives the watched descriptors that are ready."""
        poll = select.poll()
        for descriptor in (self.descriptor, *(watched or ())):
            poll.register(descriptor, select.POLLIN)
        ready = frozenset(descriptor for descriptor, _ in poll.poll(max(0, math.ceil(timeout_s * 1000))))
        if self.descriptor in ready:
            self._drain()
        return ready - {self.descriptor}

    def _drain(self) -> None:
        try:
            while os.read(self.descriptor, 4096):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self.descriptor)
