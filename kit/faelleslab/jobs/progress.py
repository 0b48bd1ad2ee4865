"""Tells another process how far a run is: a small file named by ``FAELLESLAB_PROGRESS``, rewritten at each cell.

::

    {"cell": 3, "cells": 12, "label": "Indlæs tal"}
"""

import contextlib
import json
import os
from collections.abc import Callable

VARIABLE = "FAELLESLAB_PROGRESS"

Progress = Callable[[int, int, str], None]


def told(progress: Progress | None) -> Progress | None:
    """Return a progress function that also writes the file, if one is named.

    Parameters
    ----------
    progress : callable or None
        Called with (number, total, label) when a cell begins.
    """
    # Taken out: what the notebook starts must not write there.
    path = os.environ.pop(VARIABLE, "")
    if not path:
        return progress

    def tell(number: int, total: int, label: str) -> None:
        text = json.dumps({"cell": number, "cells": total, "label": label})
        # Progress is a courtesy: a full disk is told by what really must be written.
        with contextlib.suppress(OSError):
            _write(path, text)
        if progress:
            progress(number, total, label)

    return tell


def _write(path: str, text: str) -> None:
    part = f"{path}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
    os.replace(part, path)  # noqa: PTH105 - the paths are text here
