"""Reads a percent script (``# %%`` cells, as jupytext and VS Code write them) as a notebook.

A small reader of its own: jupytext costs 0.7 CPU-seconds to import, more than the rest of the engine. It covers what
templates use: cell titles, ``[markdown]`` and ``[raw]`` cells, tags and other metadata, the YAML head (passed over, but
for the title), and magics written as comments. The tests hold it against jupytext on the same scripts.
"""

import json
import re
from typing import Any

_MARKER = re.compile(r"# ?%%(?P<rest>(?:[ \[].*)?)$")
_KIND = re.compile(r"(?:^|\s)\[(markdown|md|raw)\](?=\s|$)")
_KEY = re.compile(r"(?:^|\s)([A-Za-z_][\w.-]*)=")
_MAGIC = re.compile(r"# ?(%{1,2}[A-Za-z_]|!\s*[\w./{$-])")
_TITLE = re.compile(r"^title:\s*(.+)$")


def read_percent(text: str) -> dict[str, Any]:
    """Return a percent script as a notebook.

    Parameters
    ----------
    text : str
        The script. One without markers is one code cell.

    Returns
    -------
    dict
        nbformat 4.5.
    """
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    start, metadata = _head(lines)
    cells: list[dict[str, Any]] = []
    kind, cell_metadata, body = "code", {}, []  # type: tuple[str, dict[str, Any], list[str]]
    marked = False
    for line in lines[start:]:
        found = _MARKER.match(line.rstrip())
        if not found:
            body.append(line)
            continue
        if marked or any(b.strip() for b in body):
            cells.append(_cell(kind, cell_metadata, body))
        kind, cell_metadata = _options(found["rest"])
        body, marked = [], True
    if marked or any(b.strip() for b in body):
        cells.append(_cell(kind, cell_metadata, body))
    for position, cell in enumerate(cells):
        cell["id"] = f"celle-{position + 1}"
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


def _head(lines: list[str]) -> tuple[int, dict[str, Any]]:
    """Return where the cells begin, and the notebook's metadata."""
    metadata: dict[str, Any] = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    first = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("#!")), None)
    if first is None or lines[first].rstrip() != "# ---":
        return 0, metadata
    for n in range(first + 1, len(lines)):
        if lines[n].rstrip() == "# ---":
            return n + 1, metadata
        if found := _TITLE.match(lines[n].lstrip("# ")):
            metadata["title"] = found[1].strip().strip("\"'")
        if not lines[n].startswith("#"):
            break
    return 0, metadata


def _options(rest: str) -> tuple[str, dict[str, Any]]:
    metadata: dict[str, Any] = {}
    found = _KIND.search(rest)
    kind = found[1].replace("md", "markdown") if found else "code"
    for key in _KEY.finditer(rest):
        try:
            value, _ = json.JSONDecoder().raw_decode(rest[key.end() :])
        except ValueError:
            continue
        metadata[key[1]] = value
    return kind, metadata


def _cell(kind: str, metadata: dict[str, Any], body: list[str]) -> dict[str, Any]:
    while body and not body[-1].strip():
        body.pop()
    while body and not body[0].strip():
        body.pop(0)
    if kind == "code":
        source = [_uncommented(line) for line in body]
        language = metadata.pop("language", None)
        if isinstance(language, str):  # jupytext writes a %%bash cell so, with its body as comments
            source = [f"%%{language}", *map(_plain, body)]
        return {
            "cell_type": "code",
            "metadata": metadata,
            "execution_count": None,
            "outputs": [],
            "source": "\n".join(source),
        }
    text = "\n".join(body)
    for quotes in ('"""', "'''"):
        opened = text.removeprefix("r")
        if opened.startswith(quotes) and text.endswith(quotes) and len(opened) >= 6:
            return {"cell_type": kind, "metadata": metadata, "source": opened[3:-3].strip("\n")}
    return {"cell_type": kind, "metadata": metadata, "source": "\n".join(map(_plain, body))}


def _plain(line: str) -> str:
    return line[2:] if line.startswith("# ") else line.removeprefix("#")


def _uncommented(line: str) -> str:
    return re.sub(r"^# ?", "", line) if _MAGIC.match(line) else line
