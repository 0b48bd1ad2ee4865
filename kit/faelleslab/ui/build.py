"""Builds the template notebooks: percent ``.py`` in, ``.ipynb`` without outputs out.

The built notebook carries ``metadata.faelleslab``: which template it is, its title and description, and the schema of
its parameters, so that the form stands before the kernel has started. The same source always gives the same bytes.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from faelleslab.errors import FaelleslabError
from faelleslab.jobs import parameters
from faelleslab.jobs.percent import read_percent
from faelleslab.ui.form import schema_json

_HEAD = re.compile(r"\A# ---\n(?P<lines>(?:#.*\n)*?)# ---\n")
_ENTRY = re.compile(r"^# (?P<key>template|title|description): *(?P<value>.+?) *$", re.MULTILINE)
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def build_notebooks(source: Path, target: Path) -> list[Path]:
    """Build every template of a folder.

    Parameters
    ----------
    source : Path
        Folder of percent ``.py`` files; those beginning with ``_`` are left out.
    target : Path
        Folder for the ``.ipynb`` files; made when it is missing.

    Returns
    -------
    list of Path
        The notebooks written, by name.

    Raises
    ------
    FaelleslabError
        FL-U010 when there is nothing to build; FL-U011 for a file that is not a template. Nothing is written then.
    ParameterError
        FL-P001, when a parameters cell cannot be read.
    """
    files = sorted(p for p in Path(source).glob("*.py") if not p.name.startswith("_"))
    if not files:
        raise FaelleslabError(
            "FL-U010",
            f"Der er ingen skabeloner i mappen {Path(source).name}.",
            rule="en skabelon er en .py-fil i percent-format.",
            remedy="angiv mappen med skabelonerne, for eksempel notebooks/templates.",
        )
    made = {path.stem: build_notebook(path.read_text(encoding="utf-8"), path.name) for path in files}
    Path(target).mkdir(parents=True, exist_ok=True)
    written = []
    for stem, notebook in made.items():
        path = Path(target) / f"{stem}.ipynb"
        path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        written.append(path)
    return written


def build_notebook(text: str, name: str) -> dict[str, Any]:
    """Build one template.

    Parameters
    ----------
    text : str
        The percent source. Its head (between two lines ``# ---``) has ``# template:``, ``# title:`` and
        ``# description:``, one line each.
    name : str
        File name, for messages.

    Returns
    -------
    dict
        The notebook's JSON (nbformat 4.5).

    Raises
    ------
    FaelleslabError
        FL-U011, when the head or the parameters cell is missing.
    ParameterError
        FL-P001.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    head = _HEAD.match(text)
    about = {m["key"]: m["value"] for m in _ENTRY.finditer(head["lines"])} if head else {}
    notebook = read_percent(text)
    missing = [f"'# {key}: …' øverst mellem to linjer '# ---'" for key in ("template", "title") if key not in about]
    if not any(parameters.TAG in cell["metadata"].get("tags", []) for cell in notebook["cells"]):
        missing.append("en celle, der begynder med '# %% tags=[\"parameters\"]',")
    if missing:
        raise FaelleslabError(
            "FL-U011",
            f"{name} er ikke en skabelon: {missing[0]} mangler.",
            remedy="se notebooks/README.md, og tilføj det.",
        )
    for position, cell in enumerate(notebook["cells"]):
        # From content and place: the same source gives the same ids, and one changed cell changes one id.
        cell["id"] = hashlib.sha256(f"{position}\n{cell['source']}".encode()).hexdigest()[:12]
    notebook["metadata"] = {
        "faelleslab": {**about, "schema": schema_json(parameters.read_schema(notebook))},
        "kernelspec": _KERNEL,
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    }
    return notebook
