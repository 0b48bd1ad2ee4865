"""Reading and writing notebooks: what jupytext and nbformat would say, and one sentence for everything else."""

import json
from pathlib import Path

import jupytext
import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab.jobs.notebook import labels, parse_notebook, read_notebook, title, write_notebook, write_whole
from faelleslab.jobs.percent import read_percent
from faelleslab.jobs.result import RefusedRunError

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = '''\
#!/usr/bin/env python
# ---
# title: Mit notat
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # Overskrift
#
# tekst med `# %%` midt i
# - punkt

# %% tags=["parameters"] slideshow={"slide_type": "slide"}
x: str = "æ"  # X

# %% Titel på celle [markdown] tags=["a", "b"]
"""
# I anførselstegn

tekst
"""

# %%
# %matplotlib inline
# !ls
y = """
# %% ikke en celle? jo
"""
# almindelig kommentar
# % ikke magi

# %%
# %%time
z = 1

# %% language="bash"
# echo hej
# # rem

# %% [raw]
# rå

# %%
'''


def simplified(notebook: dict) -> list[tuple]:
    """Cells without empty ones, and without the YAML head, which jupytext keeps as a raw cell and we pass over."""
    cells = [c for c in notebook["cells"] if c["source"] and not c["source"].startswith("---\n")]
    return [(c["cell_type"], c["source"].strip("\n"), c["metadata"].get("tags")) for c in cells]


@pytest.mark.parametrize(
    "text",
    [
        SCRIPT.replace('y = """\n# %% ikke en celle? jo\n"""\n', ""),
        "x = 1\n",
        "\n\n# %%\n\nx = 1\n\n\n# %%\ny = 2\n",
        "# %% [md]\n# a\n",
        "x = 1\n# %%\ny = 2\n",
        *[p.read_text(encoding="utf-8") for p in sorted((ROOT / "notebooks").rglob("*.py"))],
    ],
)
def test_percent_scripts_are_read_as_jupytext_reads_them(text: str) -> None:
    theirs = jupytext.reads(text, fmt="py:percent")
    assert simplified(read_percent(text)) == simplified(theirs)


def test_head_gives_the_title() -> None:
    assert read_percent(SCRIPT)["metadata"]["title"] == "Mit notat"
    assert title(read_percent(SCRIPT), "fil") == "Mit notat"
    assert title(read_percent("# %% [markdown]\n# ## En *anden* [titel](x)\n"), "fil") == "En anden titel"
    assert title(read_percent("x = 1"), "fil") == "fil"


@given(st.text())
def test_any_text_is_a_notebook(text: str) -> None:
    made = read_percent(text)
    nbformat.validate(nbformat.from_dict(made))


def test_labels_are_the_nearest_heading() -> None:
    made = read_percent(
        "# %%\n1\n# %% [markdown]\n# # A\n# ```\n# # ikke\n# ```\n# %%\n2\n# %% [markdown]\n# tekst\n# %%\n3"
    )
    assert labels(made) == ["uden overskrift", "A", "A", "A", "A"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "FL-R002"),
        (b"{", "FL-R002"),
        (b"[]", "FL-R002"),
        (b"\xff\xfe", "FL-R002"),
        (b"[" * 200_000, "FL-R002"),
        (b"{}", "FL-R003"),
        (b'{"nbformat": 3, "worksheets": []}', "FL-R003"),
        (b'{"nbformat": "4"}', "FL-R003"),
        (b'{"nbformat": 4}', "FL-R002"),
        (b'{"nbformat": 4, "cells": {}}', "FL-R002"),
        (b'{"nbformat": 4, "cells": [1]}', "FL-R002"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "x"}]}', "FL-R002"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}', "FL-R002"),
        (b'{"nbformat": 4, "cells": [], "metadata": {"kernelspec": {"language": "R"}}}', "FL-R003"),
        (b'{"nbformat": 4, "cells": [], "metadata": {"language_info": {"name": "julia"}}}', "FL-R003"),
    ],
)
def test_what_is_no_python_notebook_is_one_sentence(content: bytes, code: str) -> None:
    with pytest.raises(RefusedRunError) as caught:
        parse_notebook(content, "bog.ipynb")
    assert caught.value.code == code
    assert caught.value.exit_code == 2


def test_odd_but_lawful_notebooks_are_read() -> None:
    made = parse_notebook(b'\xef\xbb\xbf{"nbformat": 4, "metadata": null, "cells": [{"cell_type": "code"}]}', "a.ipynb")
    assert made["cells"][0]["source"] == ""
    assert made["metadata"] == {}


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    for name, code in (("væk.ipynb", "FL-R001"), ("a.txt", "FL-R002")):
        with pytest.raises(RefusedRunError) as caught:
            read_notebook(tmp_path / name)
        assert caught.value.code == code
    (tmp_path / "mappe.py").mkdir()
    with pytest.raises(RefusedRunError, match="det er en mappe"):
        read_notebook(tmp_path / "mappe.py")


def test_what_a_run_saves_is_a_valid_notebook(run) -> None:
    ran = run("# %% [markdown]\n# # T", '# %% tags=["parameters"]\nx = 1', "print(x)", "1/0", parameters={"x": "2"})
    nbformat.validate(nbformat.from_dict(ran.notebook))


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    write_notebook(path, {"cells": [], "metadata": {"x": "\ud800 æ"}})
    assert json.loads(path.read_bytes())["metadata"]["x"] == "\ud800 æ"
    (tmp_path / "mappe").mkdir()
    (tmp_path / "mappe/x").touch()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "mappe", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ipynb", "mappe"]
