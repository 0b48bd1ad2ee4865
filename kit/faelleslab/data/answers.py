"""Answers of open-data services that did not come from the network: recorded ones, and the cache on disk.

The recorded answers are shipped with the kit. `recorded/index.json` says of each: request, source, licence, date, hash,
and whether it is "optaget" (the service's own bytes) or "konstrueret" (composed by hand from a named extract).
"""

import datetime as dt
import hashlib
import json
import os
import time
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from faelleslab.data.atomic import replaced
from faelleslab.errors import DataError


@dataclass(frozen=True)
class Request:
    """One question to a service, apart from the service's address.

    Attributes
    ----------
    service : {"statbank", "energi"}
    path : str
        Such as "/data".
    parameters : dict
        The JSON body (StatBank) or the query (Energi).
    """

    service: str
    path: str
    parameters: dict[str, Any]

    @property
    def key(self) -> str:
        """A hash that is the same for the same question."""
        asked = [self.service, self.path, self.parameters]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """The bytes of an answer and where they come from; see `Provenance` for `label`."""

    body: bytes
    label: str
    retrieved: str
    note: str = ""

    @property
    def sha256(self) -> str:
        """Hash of the body."""
        return hashlib.sha256(self.body).hexdigest()


@cache
def index() -> tuple[dict[str, Any], ...]:
    """Give the entries of the shipped index."""
    text = (files("faelleslab.data") / "recorded" / "index.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["recordings"])


def recorded(request: Request) -> Answer | None:
    """Give the shipped answer to a question, if there is one.

    Raises
    ------
    DataError
        FL-D025: the shipped file is not the one the index names.
    """
    for entry in index():
        if Request(entry["service"], entry["path"], entry["parameters"]).key != request.key:
            continue
        body = (files("faelleslab.data") / "recorded" / entry["file"]).read_bytes()
        answer = Answer(body, entry["label"], entry["retrieved"], entry.get("note", ""))
        if answer.sha256 != entry["sha256"]:
            raise DataError(
                "FL-D025",
                f"Det medsendte svar {entry['file']} er ændret siden det blev lagt ind.",
                remedy="Installér faelleslab igen.",
            )
        return answer
    return None


def default_cache() -> Path:
    """Give the cache's folder: ``FAELLESLAB_CACHE``, else ``~/.cache/faelleslab``."""
    given = os.environ.get("FAELLESLAB_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "faelleslab"


class Cache:
    """Answers on disk, one file each with its hash; what is damaged counts as absent.

    Parameters
    ----------
    folder : path
        Made on the first write. A folder that cannot be written is no error: nothing is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, request: Request, max_age_s: float | None) -> Answer | None:
        """Give a kept answer that is no older than `max_age_s`; of any age when None."""
        path = self._path(request)
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            kept = json.loads(head)
            stamp = float(kept["time"])
            answer = Answer(body, "mellemlager", str(kept["retrieved"]))
            whole = kept["sha256"] == answer.sha256
        except (OSError, ValueError, KeyError, TypeError):
            return None
        age = time.time() - stamp
        return answer if whole and (max_age_s is None or -60 <= age <= max_age_s) else None

    def keep(self, request: Request, body: bytes) -> None:
        """Keep an answer, atomically."""
        retrieved = dt.datetime.now(dt.UTC).date().isoformat()
        head = {"time": time.time(), "retrieved": retrieved, "sha256": hashlib.sha256(body).hexdigest()}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replaced(self._path(request)) as temporary:
                temporary.write_bytes(json.dumps(head).encode() + b"\n" + body)
        except (OSError, DataError):
            return  # a cache that cannot be written costs time, not results

    def _path(self, request: Request) -> Path:
        return self.folder / f"{request.service}-{request.key}.answer"
