"""Each template runs the three ways it is used without a browser: papermill, the kit's engine, the command line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from faelleslab.errors import ParameterError
from faelleslab.jobs import run_notebook
from faelleslab.ui import build_notebooks

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "notebooks" / "templates"
# Real figures of Statistics Denmark: FOLK1A 2020K1 and ARE207 2019.
AARHUS_PEOPLE, AARHUS_KM2 = 349_983, 467.9
COUNTRY_PEOPLE_WITHOUT_CHRISTIANSOE = 5_822_763 - 84

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("skabeloner")
    build_notebooks(TEMPLATES, folder)
    return folder


def outputs(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for cell in notebook["cells"]:
        yield from cell.get("outputs", [])


def assert_t0(notebook: dict[str, Any], folder: Path, name: str, n_rows: int = 98) -> None:
    """Three pictures with words, a sentence, and both files with real figures."""
    shown = [o for o in outputs(notebook) if "data" in o]
    pictures = [o for o in shown if "image/svg+xml" in o["data"]]
    assert len(pictures) == 3
    assert all(len(o["metadata"]["image/svg+xml"]["alt"]) > 80 for o in pictures)
    assert not [o for o in outputs(notebook) if o["output_type"] in ("error", "stream")], "nothing else is said"
    excel = pd.read_excel(folder / f"{name}.xlsx", dtype={"kommunekode": str})
    parquet = pd.read_parquet(folder / f"{name}.parquet")
    assert len(excel) == len(parquet) == n_rows
    for table in (excel, parquet):
        aarhus = table.set_index("kommunekode").loc["0751"]
        assert aarhus["kommune"] == "Aarhus"
        assert aarhus["indbyggere"] == AARHUS_PEOPLE
        assert aarhus["areal_km2"] == pytest.approx(AARHUS_KM2)


def sentence(notebook: dict[str, Any]) -> str:
    texts = ["".join(o["data"]["text/markdown"]) for o in outputs(notebook) if "text/markdown" in o.get("data", {})]
    assert len(texts) == 1
    return texts[0]


def test_t0_by_bare_papermill(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "ud.ipynb"
    command = [sys.executable, "-W", "ignore", "-m", "papermill", str(built / "t0_noegletal.ipynb"), str(target)]
    subprocess.run([*command, "--cwd", str(tmp_path)], check=True, capture_output=True, timeout=200, cwd=tmp_path)
    notebook = json.loads(target.read_text(encoding="utf-8"))
    assert_t0(notebook, tmp_path / "resultater", "noegletal-0751")
    assert "Aarhus har 748,0 pr. km² og er nr. 19 af 98 kommuner" in sentence(notebook)


def test_t0_by_the_kits_engine(built: Path, tmp_path: Path) -> None:
    result = run_notebook(built / "t0_noegletal.ipynb", {"kommunekode": "0751"}, tmp_path / "run")
    assert (result.state, result.exit_code) == ("SUCCEEDED", 0)
    notebook = json.loads((tmp_path / "run" / "t0_noegletal.ipynb").read_text(encoding="utf-8"))
    assert_t0(notebook, tmp_path / "run" / "files", "noegletal-0751")
    people = pd.read_parquet(tmp_path / "run" / "files" / "noegletal-0751.parquet")["indbyggere"].sum()
    assert people == COUNTRY_PEOPLE_WITHOUT_CHRISTIANSOE
    report = (tmp_path / "run" / "t0_noegletal.html").read_text(encoding="utf-8")
    assert report.count("<img") == 3
    assert "Søjler for 98 kommuner" in report, "the report has the picture in words"


@pytest.mark.parametrize(
    ("sammenlign", "n_rows", "said"),
    [("regionen", 19, "kommuner i Region Midtjylland"), ("lignende kommuner", 5, "dem, der ligner mest")],
)
def test_t0_compares_with_others(built: Path, tmp_path: Path, sammenlign: str, n_rows: int, said: str) -> None:
    given = {"kommunekode": "0751", "sammenlign": sammenlign, "antal": "5", "noegletal": "Indkomst, lang uddannelse"}
    result = run_notebook(built / "t0_noegletal.ipynb", given, tmp_path / "run")
    assert result.state == "SUCCEEDED"
    notebook = json.loads((tmp_path / "run" / "t0_noegletal.ipynb").read_text(encoding="utf-8"))
    assert_t0(notebook, tmp_path / "run" / "files", "noegletal-0751", n_rows)
    assert said in sentence(notebook)
    assert "lang videregående uddannelse" in sentence(notebook), "what the figure leaves out is said"


def test_t0_by_the_command_from_its_source(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from faelleslab.cli import main; raise SystemExit(main())"]
    command += ["run", str(TEMPLATES / "t0_noegletal.py"), "-p", "kommunekode", "0727"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "run")], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "result.json").read_text())["state"] == "SUCCEEDED"
    assert (tmp_path / "run" / "files" / "noegletal-0727.xlsx").exists()
    assert not (TEMPLATES / "resultater").exists(), "nothing is left beside the source"


@pytest.mark.parametrize("code", ["9999", "751", "Aarhus", ""])
def test_a_wrong_municipality_is_refused_before_anything_runs(built: Path, tmp_path: Path, code: str) -> None:
    with pytest.raises(ParameterError, match="de 98 kommuner") as refused:
        run_notebook(built / "t0_noegletal.ipynb", {"kommunekode": code}, tmp_path / "run")
    assert refused.value.code == "FL-P002"


def test_a_number_out_of_range_fails_the_cell_with_its_sentence(built: Path, tmp_path: Path) -> None:
    result = run_notebook(built / "t0_noegletal.ipynb", {"antal": "31"}, tmp_path / "run")
    assert (result.state, result.reason) == ("FAILED", "CELL_FAILED")
    errors = [
        o
        for o in outputs(json.loads((tmp_path / "run" / "t0_noegletal.ipynb").read_text()))
        if o["output_type"] == "error"
    ]
    assert len(errors) == 1
    assert "FL-U005" in errors[0]["evalue"]
    assert not list((tmp_path / "run").glob("files/*"))


def test_every_template_has_its_four_paragraphs_and_no_outputs(built: Path) -> None:
    for path in built.glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        first = notebook["cells"][0]
        assert first["cell_type"] == "markdown"
        for word in ("**Formål:**", "**Data:**", "**Hjemmel:**", "**Begrænsninger:**"):
            assert word in first["source"], (path.name, word)
        assert not list(outputs(notebook))
        for field in notebook["metadata"]["faelleslab"]["schema"]:
            assert field["label"] != field["name"].capitalize(), "the comment was not read as the field's label"
            assert field["help"], field["name"]
        assert "offer_files" in notebook["cells"][-1]["source"]


def test_jupytext_reads_the_sources_alike(built: Path) -> None:
    import jupytext

    for source in TEMPLATES.glob("*.py"):
        ours = json.loads((built / f"{source.stem}.ipynb").read_text(encoding="utf-8"))["cells"]
        theirs = jupytext.read(source).cells
        assert [(c["cell_type"], c["source"].strip()) for c in ours] == [
            (c.cell_type, c.source.strip()) for c in theirs if c.cell_type != "raw"
        ]
