"""The child's side of the pipe: one JSON line per event, and the streams that stand for stdout and stderr.

A process forked by the notebook (multiprocessing) inherits these objects but not the right to speak: its copy of the
pipe is closed at once and its prints go to the raw descriptors 1 and 2, which the parent also reads.
"""

import io
import json
import os
import threading
import time
from typing import Any

LARGEST_EVENT_BYTES = 32_000_000
"""A single output above this is left out in the child, before it is copied around."""
_FLUSH_AFTER_S = 0.02
_FLUSH_AT_CHARACTERS = 32_768


class Channel:
    """Sends events to the parent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._lock = threading.RLock()
        self._line_open = False
        os.set_inheritable(descriptor, False)
        os.register_at_fork(after_in_child=self._forget)

    @property
    def speaks(self) -> bool:
        """False in a process forked from the child."""
        return self._descriptor is not None

    def send(self, event: str, **fields: Any) -> None:
        """Send one event; quietly nothing in a forked process."""
        line = _encoded({"e": event, **fields})
        if len(line) > LARGEST_EVENT_BYTES:
            line = _encoded({"e": "dropped"})
        with self._lock:
            if self._descriptor is None:
                return
            if self._line_open:  # an interrupt cut the last line: end it, the parent passes over what it cannot read
                line = b"\n" + line
            self._line_open = True
            view = memoryview(line)
            while view:
                view = view[os.write(self._descriptor, view) :]
            self._line_open = False

    def _forget(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._lock = threading.RLock()


def _encoded(record: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(record, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(clean(record), allow_nan=False)
    return text.encode("ascii") + b"\n"


def clean(value: Any, depth: int = 0) -> Any:
    """Return what JSON can hold of a value: bytes as base64, NaN as null, the rest as text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        from base64 import b64encode

        return b64encode(value).decode("ascii")
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if value - value == 0.0 else None
    if isinstance(value, dict) and depth < 100:
        return {str(k): clean(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple) and depth < 100:
        return [clean(v, depth + 1) for v in value]
    return str(value)


class Stream(io.TextIOBase):
    """Stands for ``sys.stdout`` or ``sys.stderr`` in the notebook.

    Text is gathered for a moment so that ten thousand short prints do not cost ten thousand events; a first print after
    a pause goes at once. At most `limit` characters pass per cell: what a notebook prints in an endless loop must not
    cost it its memory.
    """

    def __init__(self, channel: Channel, name: str, descriptor: int, limit: int) -> None:
        self.name = name
        self._channel = channel
        self._descriptor = descriptor
        self._limit = limit
        self._left = limit
        self._pending: list[str] = []
        self._n_pending = 0
        self._sent_at = 0.0
        self._lock = threading.RLock()
        os.register_at_fork(after_in_child=self._forget)

    encoding = "utf-8"
    errors = "backslashreplace"

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return False: nobody sits at the other end."""
        return False

    def fileno(self) -> int:
        """Return the raw descriptor, which the parent reads too."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Take text for the running cell."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if not self._channel.speaks:
            os.write(self._descriptor, text.encode("utf-8", "backslashreplace"))
            return len(text)
        with self._lock:
            if self._left <= 0:
                return len(text)
            kept = text[: self._left]
            self._left -= len(kept)
            self._pending.append(kept)
            self._n_pending += len(kept)
            full = self._left <= 0
            if full or self._n_pending > _FLUSH_AT_CHARACTERS or time.monotonic() - self._sent_at > _FLUSH_AFTER_S:
                self.flush()
            if full:
                self._channel.send("dropped")
        return len(text)

    def flush(self) -> None:
        """Send what is gathered."""
        with self._lock:
            if self._pending:
                text = "".join(self._pending)
                self._pending.clear()
                self._n_pending = 0
                self._channel.send("stream", name=self.name, text=text)
                self._sent_at = time.monotonic()

    def renew(self) -> None:
        """Give the next cell, or a cleared one, its full share."""
        with self._lock:
            self._left = self._limit

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._pending.clear()
