"""The folder a run writes: refused when it holds a run already, and finished by ``result.json``."""

import contextlib
import hashlib
import os
import shutil
import stat
import traceback
from pathlib import Path
from typing import Any

from faelleslab.jobs.notebook import write_whole
from faelleslab.jobs.result import FILE_NAME, RefusedRunError, Result

_MOST_FILES = 10_000
_SCRATCH = ".koersel"


class OutputFolder:
    """One run's folder.

    Parameters
    ----------
    path : Path
    stem : str
        Of the notebook; names the notebook with outputs and the report.
    """

    def __init__(self, path: Path, stem: str) -> None:
        self.path = path
        self.notebook = path / f"{stem}.ipynb"
        self.report = path / f"{stem}.html"
        self.files = path / "files"
        self.scratch = path / _SCRATCH
        self.provenance = self.scratch / "provenance.jsonl"
        self._existed = path.is_dir()

    def open(self) -> None:
        """Make the folder ready.

        Raises
        ------
        RefusedRunError
            FL-R004, when it holds a run; FL-R006, when it cannot be written.
        """
        try:
            if self._occupied():
                raise RefusedRunError(
                    "FL-R004",
                    f"Mappen {self.path.name} indeholder allerede en kørsel.",
                    rule="en kørsel overskriver aldrig en anden.",
                    remedy="vælg en anden mappe med --output.",
                )
            self.files.mkdir(parents=True, exist_ok=True)
            self.scratch.mkdir(mode=0o700)
            write_whole(self.path / ".skriveproeve", b"")
            (self.path / ".skriveproeve").unlink()
        except OSError as error:
            why = {28: "disken er fuld", 30: "mappen er skrivebeskyttet", 13: "adgang nægtet", 122: "kvoten er brugt"}
            raise RefusedRunError(
                "FL-R006",
                f"Der kan ikke skrives i mappen {self.path.name}: {why.get(error.errno or 0, 'systemfejl')}.",
                remedy="vælg en anden mappe med --output, eller skaf plads.",
            ) from None

    def _occupied(self) -> bool:
        taken = [self.path / FILE_NAME, self.notebook, self.report, self.scratch]
        return any(os.path.lexists(p) for p in taken) or (self.files.is_dir() and any(self.files.iterdir()))

    def outputs(self) -> list[dict[str, Any]]:
        """Return path, bytes and sha256 of what the run left: regular files only, in order of name."""
        found: list[dict[str, Any]] = []
        for top, folders, names in os.walk(self.path):
            folders[:] = sorted(f for f in folders if f != _SCRATCH)
            for name in sorted(names):
                path = Path(top, name)
                relative = path.relative_to(self.path).as_posix()
                if relative == FILE_NAME or not stat.S_ISREG(path.lstat().st_mode):
                    continue
                if len(found) < _MOST_FILES:
                    found.append(
                        {"path": _writable(relative), "bytes": path.lstat().st_size, "sha256": sha256_of(path)}
                    )
        return found

    def write_result(self, result: Result) -> None:
        """Write ``result.json``, in one move; raises OSError."""
        write_whole(self.path / FILE_NAME, result.as_json().encode("utf-8", "backslashreplace"))

    def record_refusal(self, result: Result) -> None:
        """Leave a refusal's result in a folder that was there before and holds no other run's."""
        with contextlib.suppress(OSError):
            if self._existed and not self._occupied():
                self.write_result(result)

    def record_start(self, words: str) -> None:
        """Keep what the child said when it could not start."""
        write_whole(self.path / "start.log", words.encode("utf-8", "replace"))

    def record_fault(self, error: BaseException) -> None:
        """Keep where our own code failed: places and the error's class, never its text, which may hold data."""
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames] + [type(error).__name__]
        with contextlib.suppress(OSError):
            write_whole(self.path / "engine-error.log", ("\n".join(lines) + "\n").encode())

    def close(self) -> None:
        """Remove the working files."""
        shutil.rmtree(self.scratch, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """Return the hash of a regular file; one put in its place meanwhile is not followed."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _writable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
