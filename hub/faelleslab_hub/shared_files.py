"""Files that several processes use: closed from the first moment, opened to the group where the settings say so."""

import os
from pathlib import Path

from faelleslab_hub.settings import Settings


def open_shared(path: str | Path, flags: int, settings: Settings) -> int:
    """Open a file, made when absent, and give its descriptor; its mode does not hang on the caller's umask."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if settings.shared_by_group and os.fstat(descriptor).st_uid == os.getuid():
        os.fchmod(descriptor, settings.shared_file_mode)
    return descriptor
