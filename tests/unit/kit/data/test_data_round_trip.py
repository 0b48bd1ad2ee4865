"""The promise of write_csv and read_csv: what is written comes back the same."""

import datetime as dt
import math

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from faelleslab.data import read_csv, write_csv
from faelleslab.errors import DataError

# Characters that hurt: separators, quotation marks, line ends, padding, formula signs, digits, marks of missing.
_NASTY = ";,|\t\"\r\n'=+-@<≤.0157 \u00a0\u202fæøåÆØÅ…–eE:/%ｅ＝"
_text = st.one_of(
    st.text(st.sampled_from(_NASTY), max_size=8),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6),
    st.sampled_from(
        ["0751", "..", ".", "-", "", "NA", "SAND", "01-02-2020", "1.234", "1,5", "<5", "I alt", "=1+1", "''=2"]
    ),
)
_columns = {
    "text": _text,
    "whole": st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3000) | st.sampled_from([1201011234, 3112991234]),
    "decimal": st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([1.234, 12.5, 0.0, -0.0, 1e300, 5e-324]),
    "date": st.dates(),
    "moment": st.datetimes(min_value=dt.datetime(1, 1, 1)),
    "minute": st.datetimes().map(lambda m: m.replace(second=0, microsecond=0)),
    "truth": st.booleans(),
}


@st.composite
def tables(draw):
    """A table of a few columns, with missing cells."""
    rows = draw(st.integers(1, 6))
    kinds = draw(st.lists(st.sampled_from(sorted(_columns)), min_size=1, max_size=4))
    names = draw(
        st.lists(
            _text.filter(lambda name: name.strip()),
            min_size=len(kinds),
            max_size=len(kinds),
            unique_by=lambda name: name,
        )
    )
    data = {}
    for name, kind in zip(names, kinds, strict=True):
        cells = draw(st.lists(st.none() | _columns[kind], min_size=rows, max_size=rows))
        data[name] = _series(kind, cells)
    return pd.DataFrame(data)


def _series(kind, cells):
    if kind == "text":
        return pd.Series(cells, dtype="str")
    if kind == "whole":
        return pd.Series(cells, dtype="Int64")
    if kind == "decimal":
        return pd.Series([math.nan if cell is None else cell for cell in cells], dtype="float64")
    if kind == "truth":
        return pd.Series(cells, dtype="boolean")
    return pd.Series(
        np.array([np.datetime64("NaT") if cell is None else cell for cell in cells], dtype="datetime64[us]")
    )


def same(left, right):
    assert list(left.columns) == list(right.columns)
    assert len(left) == len(right)
    for name in left.columns:
        one, two = left[name], right[name]
        assert one.isna().tolist() == two.isna().tolist(), name
        if one.isna().all():
            continue  # a column of nothing has no kind
        plain = {"Int64": "int64", "boolean": "bool"}
        assert plain.get(str(one.dtype), str(one.dtype)) == plain.get(str(two.dtype), str(two.dtype))
        assert one.dropna().tolist() == two.dropna().tolist(), name


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_written_and_read_is_the_same(tmp_path, table):
    path = tmp_path / "t.csv"
    write_csv(table, path)
    same(table, read_csv(path))


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({";": ["1", "2"]}),
        pd.DataFrame({"a": [1.5, 2.25]}),
        pd.DataFrame({"a": [1.234, 5.678]}),
        pd.DataFrame({"a": ["0751", None, ""]}),
        pd.DataFrame({"=a": ["x\r\ny", "\n"], "b": [1, 2]}),
        pd.DataFrame({"a": pd.to_datetime(["2020-01-01", None]), "b": ["..", "-"]}),
        pd.DataFrame({"kode": pd.Series([], dtype="str"), "b": pd.Series([], dtype="str")}),
        pd.DataFrame({"note": ["a"] * 3, "x": [None, None, 5.0], "y": [None, None, None]}),
    ],
    ids=range(8),
)
def test_known_hard_tables(tmp_path, table):
    write_csv(table, tmp_path / "t.csv")
    same(table, read_csv(tmp_path / "t.csv"))


def test_the_form_is_what_danish_excel_expects(tmp_path):
    table = pd.DataFrame(
        {
            "kommune": ["Ærø", "=1+1"],
            "andel": [0.5, -1.25],
            "antal": [1200, 3],
            "dag": pd.to_datetime(["2020-02-01"] * 2),
        }
    )
    write_csv(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes().decode("utf-8") == (
        '\ufeffkommune;andel;antal;dag\r\n"Ærø";0,5;1200;01-02-2020\r\n"\'=1+1";-1,25;3;01-02-2020\r\n'
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r@", "\n=", " =", "'=", "''+", "＝", "\u00a0="])
def test_no_text_cell_begins_as_a_formula(tmp_path, start):
    write_csv(pd.DataFrame({f"{start}navn": [f"{start}HYPERLINK(1)"]}), tmp_path / "t.csv")
    written = (tmp_path / "t.csv").read_bytes().decode("utf-8-sig")
    assert written == f'"\'{start}navn"\r\n"\'{start}HYPERLINK(1)"\r\n'
    assert read_csv(tmp_path / "t.csv").iloc[0, 0] == f"{start}HYPERLINK(1)"


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (pd.DataFrame({"a": [float("inf")]}), "FL-D031"),
        (pd.DataFrame({"a": ["x\x00"]}), "FL-D031"),
        (pd.DataFrame({"a": [1], " ": [2]}), "FL-D031"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "FL-D031"),
        (pd.DataFrame({1: [1], "1": [2]}), "FL-D031"),
        (pd.DataFrame(), "FL-D031"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01T00:00:00.000000001"])}), "FL-D031"),
    ],
)
def test_what_has_no_form_is_refused_and_the_old_file_stays(tmp_path, table, code):
    path = tmp_path / "t.csv"
    path.write_text("før")
    with pytest.raises(DataError) as caught:
        write_csv(table, path)
    assert caught.value.code == code
    assert path.read_text() == "før"
    assert list(tmp_path.iterdir()) == [path]


def test_a_named_index_is_written_and_an_unnamed_is_not(tmp_path):
    grouped = pd.DataFrame({"k": ["0751", "0461"], "n": [1, 2]}).groupby("k").sum()
    write_csv(grouped, tmp_path / "t.csv")
    assert list(read_csv(tmp_path / "t.csv").columns) == ["k", "n"]
    write_csv(grouped.reset_index()[lambda t: t["n"] > 1], tmp_path / "t.csv")
    assert list(read_csv(tmp_path / "t.csv").columns) == ["k", "n"]


def test_a_missing_folder_is_named_without_a_trace(tmp_path):
    with pytest.raises(DataError, match="mappen findes ikke") as caught:
        write_csv(pd.DataFrame({"a": [1]}), tmp_path / "ingen" / "t.csv")
    assert caught.value.code == "FL-D030"
    assert caught.value.__suppress_context__
