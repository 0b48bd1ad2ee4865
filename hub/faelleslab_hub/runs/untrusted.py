"""Read files that a stranger's code wrote: never follow a link, never wait on a pipe, never read more than the cap."""

import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_regular(path: Path, max_bytes: int) -> bytes | None:
    """Read an ordinary file; None when it is missing, not an ordinary file, or larger than the cap."""
    try:
        descriptor = open_regular(path)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_size > max_bytes:
            return None
        # A file may grow between the look and the read.
        content = file.read(max_bytes + 1)
    return content if len(content) <= max_bytes else None


def open_regular(path: Path) -> int:
    """Open an ordinary file for reading; raises OSError for anything else, EINVAL where the system itself would not."""
    descriptor = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not an ordinary file")
    return descriptor


def plain(text: str, longest: int) -> str:
    """Make a stranger's text fit for one line of a screen: no control or direction characters, and not too long."""
    text = " ".join(text[: 4 * longest].encode("utf-8", "replace").decode().split())
    text = "".join(letter for letter in text if letter.isprintable())
    return text if len(text) <= longest else text[: longest - 1] + "…"
