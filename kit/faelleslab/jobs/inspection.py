"""``python -m faelleslab.jobs.inspection NOTEBOOK GIVEN.json``: read an untrusted notebook and say what it is.

Run by the hub in a throw-away sandbox without network: nothing is executed, the notebook is only parsed. One JSON
object goes to standard output; the hub takes it for as untrusted as the notebook itself::

    version     1
    code        null when accepted, else the error code
    fault       null when accepted, else the Danish sentence
    cells       number of code cells
    parameters  {name: typed value}, defaults included; dates as ISO text
"""

import json
import sys
from pathlib import Path
from typing import Any

from faelleslab.errors import FaelleslabError
from faelleslab.jobs.notebook import read_notebook
from faelleslab.jobs.parameters import as_json, read_schema, typed


def inspect(notebook: Path, given: Path) -> dict[str, Any]:
    """Read a notebook and type the given parameters by it; a fault is part of the answer, not an exception.

    Parameters
    ----------
    notebook : Path
        ``.ipynb`` or percent ``.py``; any bytes at all.
    given : Path
        JSON object of name to text.

    Returns
    -------
    dict
        As in the module's docstring.
    """
    answer: dict[str, Any] = {"version": 1, "code": None, "fault": None, "cells": 0, "parameters": {}}
    try:
        found, _ = read_notebook(notebook)
        values = typed(read_schema(found), json.loads(given.read_text(encoding="utf-8")))
        answer["cells"] = sum(cell["cell_type"] == "code" for cell in found["cells"])
        answer["parameters"] = {name: as_json(value) for name, value in values.items()}
    except FaelleslabError as error:
        answer |= {"code": error.code, "fault": str(error)}
    return answer


def main(arguments: list[str]) -> int:
    """Print the answer; exit code 0 also when the notebook is refused."""
    notebook, given = arguments
    # ASCII alone: a lone surrogate in a text must not stop the answer.
    print(json.dumps(inspect(Path(notebook), Path(given)), allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
