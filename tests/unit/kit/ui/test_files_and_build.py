"""Offering files, and building template notebooks."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from faelleslab.errors import FaelleslabError, ParameterError
from faelleslab.ui import build_notebooks, files, front_end, offer_files

TABLE = pd.DataFrame({"kommunekode": ["0751"], "tal": [1.5]})
TEMPLATE = """# ---
# template: T9
# title: Prøve
# description: En prøve.
# ---

# %% [markdown]
# # Prøve

# %% tags=["parameters"]
antal: int = 3  # Antal: fra 1 til 9

# %%
print(antal)
"""


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAELLESLAB_OUTPUT", raising=False)
    monkeypatch.setattr(front_end, "_announced", False)
    monkeypatch.setattr(files, "_offers", {})


def answer(offer: str, file_format: str) -> dict[str, Any]:
    return dict(files.save_offer(offer, file_format)._repr_mimebundle_()["application/json"])


def test_with_nobody_in_front_both_files_are_written_at_once() -> None:
    shown = offer_files(TABLE, "tal-0751", source="Danmarks Statistik")._repr_mimebundle_()
    assert files.OFFER_TYPE not in shown
    assert "tal-0751.xlsx" in shown["text/html"]
    assert pd.read_parquet("resultater/tal-0751.parquet")["kommunekode"].tolist() == ["0751"]
    assert pd.read_excel("resultater/tal-0751.xlsx", dtype=str)["kommunekode"].tolist() == ["0751"]


def test_a_production_run_writes_to_its_own_folder_even_after_an_announcement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAELLESLAB_OUTPUT", "ud/files")
    front_end.announce()
    offer_files(TABLE, "tal")
    assert sorted(p.name for p in Path("ud/files").iterdir()) == ["tal.parquet", "tal.xlsx"]
    assert not Path("resultater").exists()


def test_in_front_of_a_user_nothing_is_written_before_the_button() -> None:
    front_end.announce()
    shown = offer_files(TABLE, "tal")._repr_mimebundle_()[files.OFFER_TYPE]
    assert [f["label"] for f in shown["formats"]] == ["Gem til Excel", "Gem til Power BI"]
    assert not Path("resultater").exists()
    assert answer("tal", "excel")["path"] == "resultater/tal.xlsx"
    assert [p.name for p in Path("resultater").iterdir()] == ["tal.xlsx"]


def test_a_button_of_an_earlier_kernel_says_what_to_do() -> None:
    for offer, file_format in (("tal", "excel"), ("../tal", "excel"), ("tal", "exe")):
        assert "Tryk på Kør" in answer(offer, file_format)["fault"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a.xlsx", ".x", "a" * 81, "a b", "a\n", "-a"])
def test_a_name_is_only_a_name(name: str) -> None:
    with pytest.raises(FaelleslabError, match="FL-U001"):
        offer_files(TABLE, name)
    assert not Path("resultater").exists()


def test_a_folder_that_cannot_be_written_is_a_sentence() -> None:
    Path("resultater").write_text("en fil")
    with pytest.raises(FaelleslabError, match="FL-U002"):
        offer_files(TABLE, "tal")
    front_end.announce()
    offer_files(TABLE, "tal")
    assert "FL-U002" in answer("tal", "excel")["fault"]


def test_a_template_is_built_without_outputs_and_always_alike() -> None:
    Path("kilde").mkdir()
    Path("kilde/t9_proeve.py").write_text(TEMPLATE, encoding="utf-8")
    Path("kilde/_udkast.py").write_text("x = 1")
    [built] = build_notebooks(Path("kilde"), Path("a"))
    [again] = build_notebooks(Path("kilde"), Path("b"))
    assert built.name == "t9_proeve.ipynb"
    assert built.read_bytes() == again.read_bytes()
    notebook = json.loads(built.read_text(encoding="utf-8"))
    about = notebook["metadata"]["faelleslab"]
    assert (about["template"], about["title"], about["description"]) == ("T9", "Prøve", "En prøve.")
    assert [p["name"] for p in about["schema"]] == ["antal"]
    assert [c["cell_type"] for c in notebook["cells"]] == ["markdown", "code", "code"]
    assert notebook["cells"][1]["metadata"]["tags"] == ["parameters"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in notebook["cells"][1:])
    assert len({c["id"] for c in notebook["cells"]}) == 3
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_the_built_notebook_is_valid() -> None:
    import nbformat

    Path("kilde").mkdir()
    Path("kilde/t9.py").write_text(TEMPLATE.replace("\n", "\r\n"), encoding="utf-8-sig")
    [built] = build_notebooks(Path("kilde"), Path("a"))
    nbformat.validate(nbformat.read(built, as_version=4))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (TEMPLATE.replace("# title: Prøve\n", ""), "FL-U011"),
        (TEMPLATE.replace('tags=["parameters"]', ""), "FL-U011"),
        ("print(1)", "FL-U011"),
        (TEMPLATE.replace("= 3", "= 1 + 2"), "FL-P001"),
    ],
)
def test_what_is_no_template_is_named_and_nothing_is_written(text: str, code: str) -> None:
    Path("kilde").mkdir()
    Path("kilde/a.py").write_text(TEMPLATE, encoding="utf-8")
    Path("kilde/t9.py").write_text(text, encoding="utf-8")
    with pytest.raises((FaelleslabError, ParameterError), match=code):
        build_notebooks(Path("kilde"), Path("maal"))
    assert not Path("maal").exists()


def test_an_empty_folder_is_said() -> None:
    with pytest.raises(FaelleslabError, match="FL-U010"):
        build_notebooks(Path("findes-ikke"), Path("maal"))
