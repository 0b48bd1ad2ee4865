"""Write a file whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faelleslab.errors import DataError


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside the target; put it in the target's place when the block ends well.

    Parameters
    ----------
    path : str or path
        The target. Its folder must exist.

    Yields
    ------
    pathlib.Path
        An empty file to write to.

    Raises
    ------
    DataError
        FL-D030: the folder is missing, the disk is full, or the file may not be written.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", suffix=target.suffix, dir=target.parent)
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        # A temporary file is private; the result gets the rights any new file of this user gets.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
        temporary = None
    except (OSError, ValueError) as cause:
        raise DataError(
            "FL-D030",
            f"Filen {target.name!r} kan ikke skrives: {_reason(cause, target)}.",
            remedy="Vælg en mappe, som findes, og som du må skrive i, og tjek, at filen ikke er åben i Excel.",
        ) from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def _reason(cause: Exception, target: Path) -> str:
    if not target.parent.is_dir():
        return "mappen findes ikke"
    if target.is_dir():
        return "der ligger en mappe med det navn"
    if isinstance(cause, PermissionError):
        return "du må ikke skrive der"
    if isinstance(cause, OSError) and cause.errno in (28, 122):
        return "disken er fuld"
    return "navnet er ugyldigt" if not isinstance(cause, OSError) else "disken sagde nej"
