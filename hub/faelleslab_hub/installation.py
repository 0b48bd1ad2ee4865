"""One running workbench per home: the folder, its lock, and who holds it."""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from faelleslab.errors import ConfigurationError
from faelleslab_hub import process_tree
from faelleslab_hub.settings import Settings

# Enough for the database, logs and some runs; below it the workbench would stop in the middle of something.
_NEEDED_BYTES = 300 * 2**20


@contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """Hold the home for this process and its forks; it is let go when the last of them ends.

    Raises
    ------
    ConfigurationError
        FL-K331 when another workbench runs in this home; FL-K334 when the disk is full; FL-K336 when the home cannot
        be used.
    """
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _open_lock(settings)
    except OSError as error:
        raise _unusable(settings, error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _running(settings) from None
        try:
            _need_room(settings)
            note_holder(settings)
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _full(settings) from None
            raise


def note_holder(settings: Settings) -> None:
    """Write down that this process is the one to stop; its forks keep the lock, and may call this to take over."""
    noted = {"pid": os.getpid(), "started": process_tree.started(os.getpid())}
    (settings.home / "running.lock").write_text(json.dumps(noted), encoding="utf-8")


def holder(settings: Settings) -> dict[str, int] | None:
    """Give process id and start time of the workbench that runs in this home, or None."""
    try:
        noted = json.loads((settings.home / "running.lock").read_text(encoding="utf-8"))
        pid, start = int(noted["pid"]), int(noted["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {"pid": pid, "started": start} if process_tree.started(pid) == start else None


def url(settings: Settings) -> str:
    """Give the address a browser on this machine uses."""
    return settings.public_url.rstrip("/")


def _open_lock(settings: Settings) -> IO[str]:
    descriptor = os.open(settings.home / "running.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "r+", encoding="utf-8")


def _need_room(settings: Settings) -> None:
    if shutil.disk_usage(settings.home).free < _NEEDED_BYTES:
        raise _full(settings)


def _running(settings: Settings) -> ConfigurationError:
    who = holder(settings)
    number = f" (proces {who['pid']})" if who else ""
    stop = "tryk Ctrl-C dér, hvor det kører" if settings.mode == "embedded" else "kør 'make down'"
    return ConfigurationError(
        "FL-K331",
        f"Arbejdsbordet i {settings.home} kører allerede{number}.",
        remedy=f"{stop}, eller vælg en anden mappe med FAELLESLAB_HOME=… og en anden PORT=….",
    )


def _full(settings: Settings) -> ConfigurationError:
    return ConfigurationError(
        "FL-K334",
        f"Der er ikke plads på disken, hvor {settings.home} ligger.",
        rule="der skal være mindst 300 MB ledigt.",
        remedy="frigør plads, og kør kommandoen igen; det, der er gemt, er der stadig.",
    )


def _unusable(settings: Settings, error: OSError) -> ConfigurationError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(settings)
    return ConfigurationError(
        "FL-K336",
        f"Mappen {settings.home} kan ikke bruges ({error.strerror}).",
        remedy="giv dig selv skriveadgang til den, eller vælg en anden med FAELLESLAB_HOME=….",
    )
