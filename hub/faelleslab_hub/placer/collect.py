"""Seal a run's output: owned by the hub, readable only, and free of anything that is not an ordinary file.

A notebook may leave links to the host's files, named pipes, set-user-id programs or ten thousand nested folders; none
of it may reach the pages that show the output. Nothing here follows a link.
"""

import os
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

_DEEPEST = 10
_MOST_ENTRIES = 100_000


def seal(folder: Path) -> list[str]:
    """Make everything below ``folder`` read-only and the hub's own; gives what had to be removed, as short words.

    Safe to call again on a folder that is sealed already, or half.
    """
    removed: list[str] = []
    if folder.is_symlink() or not folder.is_dir():
        return removed
    user, group = os.getuid(), os.getgid()
    pending = [(folder, 0)]
    folders = []
    seen = 0
    while pending:
        current, depth = pending.pop()
        _take(current, user, group, 0o700)
        folders.append(current)
        with os.scandir(current) as entries:
            found = list(entries)
        for entry in found:
            seen += 1
            path = Path(entry.path)
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) and depth < _DEEPEST and seen <= _MOST_ENTRIES:
                pending.append((path, depth + 1))
            elif stat.S_ISDIR(status.st_mode):
                removed.append("folder")
                # Deeper than a path may be long: rm walks down step by step.
                subprocess.run(["rm", "-rf", "--", str(path)], check=False, stderr=subprocess.DEVNULL)
            elif stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and seen <= _MOST_ENTRIES:
                _take(path, user, group, 0o440)
            else:
                removed.append("file" if stat.S_ISREG(status.st_mode) else "link or device")
                with suppress(FileNotFoundError):
                    path.unlink()
    for path in folders:
        path.chmod(0o550)
    return removed


def _take(path: Path, user: int, group: int, mode: int) -> None:
    if os.getuid() == 0:
        os.chown(path, user, group, follow_symlinks=False)
    path.chmod(mode)
