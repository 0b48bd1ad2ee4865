"""Pictures, tables and Danish numbers."""

import math
import subprocess
import sys
import xml.etree.ElementTree as ET

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab import ui
from faelleslab.errors import FaelleslabError, ParameterError
from faelleslab.ui.text import format_bytes

FIGURE = ui.Figure("Indbyggere pr. km²", {"Ærø": 66.5, "Aarhus": 748.0, "Læsø": 14.7, "Fanø": math.nan}, "pr. km²", 1)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1234567.891, 1, "1.234.567,9"), (0, 0, "0"), (-0.04, 1, "0,0"), (-1234.5, 1, "-1.234,5"), (math.nan, 2, "–")],
)
def test_numbers_are_danish(value: float, decimals: int, text: str) -> None:
    assert ui.format_number(value, decimals) == text


def test_sizes() -> None:
    assert [format_bytes(n) for n in (0, 1023, 12_700, 5_500_000)] == ["0 byte", "1023 byte", "12 kB", "5,2 MB"]


def drawn() -> dict[str, ui.Picture]:
    return {
        "ranking": ui.ranking(FIGURE, "Ærø"),
        "bars": ui.bars(FIGURE, "Ærø", group="tre øer"),
        "profile": ui.profile([FIGURE, FIGURE], "Ærø", group="3 øer"),
    }


@pytest.mark.parametrize("name", ["ranking", "bars", "profile"])
def test_a_picture_is_valid_and_says_what_it_shows(name: str) -> None:
    picture = drawn()[name]
    root = ET.fromstring(picture.svg)  # noqa: S314 - made here
    assert root.tag.endswith("svg")
    assert root.findtext("{http://www.w3.org/2000/svg}desc") == picture.alt
    _, metadata = picture._repr_mimebundle_()
    assert metadata["image/svg+xml"]["alt"] == picture.alt
    assert "66,5 pr. km²" in picture.alt
    assert "Fanø" not in picture.svg, "an area without a value is not drawn as zero"


def test_the_ranking_counts_places_with_ties() -> None:
    figure = ui.Figure("Tal", {"a": 3, "b": 2, "c": 2, "d": 1})
    assert [figure.place(area) for area in "abcdx"] == [1, 2, 2, 4, None]
    assert "nr. 2 af 4" in ui.ranking(figure, "c").alt


def test_an_own_area_without_a_value_is_said_and_nothing_is_marked() -> None:
    assert "Fanø har intet tal" in ui.ranking(FIGURE, "Fanø").alt
    assert "intet tal for Fanø" in ui.profile([FIGURE], "Fanø").alt


def test_nothing_to_draw_is_a_sentence() -> None:
    for draw in (ui.ranking, ui.bars):
        with pytest.raises(FaelleslabError, match="FL-U003"):
            draw(ui.Figure("Tom", {"a": math.nan}), "a")
    with pytest.raises(FaelleslabError, match="FL-U003"):
        ui.profile([], "a")


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1),
        st.floats(-1e12, 1e12),
        min_size=1,
        max_size=40,
    )
)
def test_any_values_and_names_give_a_valid_picture_inside_its_canvas(values: dict[str, float]) -> None:
    figure = ui.Figure("<Tal & 'mere'>", values)
    own = next(iter(values))
    for picture in (ui.ranking(figure, own), ui.bars(figure, own), ui.profile([figure], own)):
        root = ET.fromstring(picture.svg)  # noqa: S314
        height = float(root.get("height", "0"))
        for box in root.iter("{http://www.w3.org/2000/svg}rect"):
            if box.get("width") != "100%":
                y, tall = float(box.get("y", "nan")), float(box.get("height", "nan"))
                assert -1 <= y <= y + tall <= height + 1


def test_a_table_is_danish_escaped_and_has_headings() -> None:
    frame = pd.DataFrame({"Kommune": ["Aarhus", "<b>"], "Tal": [1234.5, None], "Kode": ["0751", "0000"]})
    html = ui.Table(frame, "Tal & kilde", {"Tal": 1}, mark="Aarhus")._repr_html_()
    assert "<caption" in html
    assert "Tal &amp; kilde" in html
    assert html.count('scope="col"') == 3
    assert html.count('scope="row"') == 2
    assert "<strong>1.234,5</strong>" in html
    assert "&lt;b&gt;" in html
    assert "<strong>0751</strong>" in html


def test_a_long_table_says_what_it_leaves_out() -> None:
    html = ui.Table(pd.DataFrame({"a": range(1205)}), "Lang")._repr_html_()
    assert "1.005 rækker mere" in html


def test_whom_to_compare_with() -> None:
    values = pd.Series({"a": 5.0, "b": 4.0, "c": 3.0, "d": 2.0, "e": 1.0})
    assert ui.nearest_in_rank(values, "c", 3) == ["b", "c", "d"]
    assert ui.nearest_in_rank(values, "a", 3) == ["a", "b", "c"]
    assert ui.nearest_in_rank(values, "e", 3) == ["c", "d", "e"]
    assert ui.nearest_in_rank(values, "e", 30) == list("abcde")
    table = pd.DataFrame({"folk": [100, 210, 1000, 95], "tæthed": [10, 10, 10, 11]}, index=list("abcd"))
    assert ui.most_alike(table, "a", ["folk", "tæthed"], 3) == ["a", "d", "b"]


@pytest.mark.parametrize("code", ["9999", "751", "", "0751 ", 751, None])
def test_another_code_than_a_municipalitys_is_refused(code: object) -> None:
    with pytest.raises(ParameterError, match="FL-U004"):
        ui.municipality_name(code)  # type: ignore[arg-type]


def test_the_room_is_light() -> None:
    code = (
        "import sys, faelleslab.ui.form; from faelleslab import ui;"
        "[getattr(ui, name) for name in ui.__all__];"
        "heavy = {'pandas', 'matplotlib', 'numpy', 'ipywidgets', 'IPython', 'nbformat'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_notebook_shows_the_sentence_and_no_stack_trace() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    error = FaelleslabError("FL-U003", "Der er ingen tal at tegne.")
    assert error._render_traceback_() == ["Der er ingen tal at tegne. (FL-U003)"]
    assert hasattr(InteractiveShell, "showtraceback")
