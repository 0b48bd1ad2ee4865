"""Reads and writes notebooks as plain JSON, and names their cells.

No nbformat: its schema check costs half a second and more for each run, and what a run needs is checked here in a few
lines. What is not a Python notebook of format 4 is refused with one sentence.
"""

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any

from faelleslab.jobs.outputs import plain
from faelleslab.jobs.result import RefusedRunError

LARGEST_BYTES = 200_000_000
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$")
_LONGEST_LABEL = 80


def read_notebook(path: Path) -> tuple[dict[str, Any], bytes]:
    """Read a notebook or a percent script.

    Parameters
    ----------
    path : Path
        ``.ipynb`` or ``.py``.

    Returns
    -------
    notebook : dict
        Format 4; every cell's source is one text.
    content : bytes
        The file as it was read, for its hash.

    Raises
    ------
    RefusedRunError
        FL-R001 (cannot be read), FL-R002 (not a notebook), FL-R003 (not Python or an old format).
    """
    if path.suffix not in (".ipynb", ".py"):
        raise RefusedRunError(
            "FL-R002", f"{path.name} er ikke en notesbog.", rule="en notesbog er en .ipynb- eller .py-fil."
        )
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise RefusedRunError(
                "FL-R002",
                f"{path.name} fylder over {LARGEST_BYTES // 1_000_000} MB.",
                remedy="ryd notesbogens output, og gem den igen.",
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise RefusedRunError("FL-R001", f"Notesbogen {path.name} findes ikke.", remedy="kontrollér stien.") from None
    except OSError as error:
        raise RefusedRunError("FL-R001", f"Notesbogen {path.name} kan ikke læses: {_why(error)}.") from None
    return parse_notebook(content, path.name), content


def parse_notebook(content: bytes, name: str) -> dict[str, Any]:
    """Return a notebook from its bytes; see `read_notebook`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RefusedRunError("FL-R002", f"{name} er ikke tekst i UTF-8.") from None
    if "\0" in text:  # Python itself refuses it, but only when the cell is run
        raise RefusedRunError("FL-R002", f"{name} er ikke tekst, men indeholder NUL-tegn.")
    if name.endswith(".py"):
        from faelleslab.jobs.percent import read_percent

        return read_percent(text)
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedRunError("FL-R002", f"{name} er ikke en hel notesbog (ugyldig JSON).") from None
    if not isinstance(notebook, dict):
        raise RefusedRunError("FL-R002", f"{name} er ikke en notesbog.")
    if notebook.get("nbformat") != 4:
        raise RefusedRunError(
            "FL-R003", f"{name} er ikke i notesbogsformat 4.", remedy="åbn den i JupyterLab, og gem den igen."
        )
    _check_cells(notebook, name)
    _check_language(notebook, name)
    return notebook


def _check_cells(notebook: dict[str, Any], name: str) -> None:
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(isinstance(c, dict) for c in cells):
        raise RefusedRunError("FL-R002", f"{name} har ingen celler, der kan læses.")
    for position, cell in enumerate(cells, 1):
        source = cell.get("source", "")
        if isinstance(source, list) and all(isinstance(part, str) for part in source):
            source = "".join(source)
        if not isinstance(source, str) or cell.get("cell_type") not in ("code", "markdown", "raw"):
            raise RefusedRunError("FL-R002", f"{name}: celle nummer {position} kan ikke læses.")
        cell["source"] = source
        if not isinstance(cell.get("metadata"), dict):
            cell["metadata"] = {}
    if not isinstance(notebook.get("metadata"), dict):
        notebook["metadata"] = {}


def _check_language(notebook: dict[str, Any], name: str) -> None:
    for key, field in (("language_info", "name"), ("kernelspec", "language")):
        part = notebook["metadata"].get(key)
        language = part.get(field) if isinstance(part, dict) else None
        if isinstance(language, str) and language.lower() not in ("", "python", "ipython"):
            raise RefusedRunError("FL-R003", f"{name} er ikke en Python-notesbog.", rule="kørsler udføres i Python.")


def write_notebook(path: Path, notebook: dict[str, Any]) -> None:
    """Write a notebook in one move; raises OSError."""
    made = {**notebook, "cells": [plain(cell) for cell in notebook["cells"]]}
    text = json.dumps(made, ensure_ascii=False, indent=1) + "\n"
    # A lone surrogate cannot be written in UTF-8, but its backslash form is exactly JSON's way to write it.
    write_whole(path, text.encode("utf-8", "backslashreplace"))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a half; raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with contextlib.suppress(FileNotFoundError):
        part.unlink()
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def title(notebook: dict[str, Any], fallback: str) -> str:
    """Return the notebook's title: its metadata's, else its first heading, else the fallback."""
    metadata = notebook["metadata"]
    ours = metadata.get("faelleslab")
    for place in (ours if isinstance(ours, dict) else {}, metadata):
        if isinstance(place.get("title"), str) and place["title"].strip():
            return str(place["title"].strip()[:200])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown" and (found := _last_heading(cell["source"], first=True)):
            return found
    return fallback


def labels(notebook: dict[str, Any]) -> list[str]:
    """Return a label for each cell: the nearest heading at or above it."""
    found, current = [], ""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            current = _last_heading(cell["source"]) or current
        found.append(current or "uden overskrift")
    return found


def has_tag(cell: dict[str, Any], tag: str) -> bool:
    """Whether a cell carries a tag."""
    tags = cell["metadata"].get("tags")
    return isinstance(tags, list) and tag in tags


def heading_text(line: str) -> str:
    """Return the text of a Markdown heading without its marks; empty for any other line."""
    found = _HEADING.match(line)
    return re.sub(r"[*_`]|\[([^\]]*)\]\([^)]*\)", r"\1", found[1])[:_LONGEST_LABEL] if found else ""


def _last_heading(source: str, *, first: bool = False) -> str:
    heading = ""
    fenced = False
    for line in source.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and (found := heading_text(line)):
            heading = found
            if first:
                return heading
    return heading


def _why(error: OSError) -> str:
    return {13: "adgang nægtet", 21: "det er en mappe", 40: "for mange henvisninger"}.get(
        error.errno or 0, "systemfejl"
    )
