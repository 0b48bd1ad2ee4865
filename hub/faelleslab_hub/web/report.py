"""A run's report: a file that a stranger's code wrote, read without trusting its name, its kind or its content."""

import os
from pathlib import Path

from faelleslab_hub.runs.models import Run
from faelleslab_hub.runs.untrusted import open_regular
from faelleslab_hub.settings import Settings

MOST_BYTES = 64 * 2**20


def path_of(settings: Settings, run: Run) -> Path:
    """Where the report of a run lies."""
    return settings.run_folder(run.tenant, run.id) / "output" / f"{Path(run.notebook).stem}.html"


def exists(settings: Settings, run: Run) -> bool:
    """Say whether the run left a report that can be read."""
    try:
        os.close(open_regular(path_of(settings, run)))
    except OSError:
        return False
    return True


def read(settings: Settings, run: Run) -> bytes | None:
    """Read the report; None when there is none, it is too large, or it is not an ordinary file of this folder."""
    path = path_of(settings, run)
    # The folder itself is ours, but a run may have put a link in place of what it was given.
    if path.parent.is_symlink() or path.parent.parent.is_symlink():
        return None
    try:
        descriptor = open_regular(path)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    return content if len(content) <= MOST_BYTES else None
