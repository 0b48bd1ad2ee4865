import ast
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab.errors import ParameterError
from faelleslab.jobs.parameters import Parameter, inject, read_schema, typed

CELL = """\
from datetime import date
from typing import Literal

kommunekode: str = "0751"  # Kommune: din egen kommune
aar = 2025  # År
andel: float = 2  # Andel: i procent
med = True
fra: date = date(2025, 1, 31)  # Fra og med
maal: Literal["antal", "andel"] = "antal"  # Vis som
antal_aar: Literal[1, 5] = 5
omraader: list[str] = ["Midtby"]
graense: float | None = None  # Grænse: tom betyder ingen
"""


def notebook(source: str, *, tags: list[str] | None = None) -> dict:
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": "# T", "id": "a"},
            {
                "cell_type": "code",
                "metadata": {"tags": ["parameters"] if tags is None else tags},
                "source": source.splitlines(keepends=True),
                "id": "b",
            },
        ],
    }


def faults(source: str) -> str:
    with pytest.raises(ParameterError) as caught:
        read_schema(notebook(source))
    assert caught.value.code == "FL-P001"
    return str(caught.value)


def refused(schema_source: str, **values: object) -> str:
    with pytest.raises(ParameterError) as caught:
        typed(read_schema(notebook(schema_source)), values)
    assert caught.value.code == "FL-P002"
    assert caught.value.exit_code == 2
    return str(caught.value)


def injected_values(source: str, values: dict) -> dict:
    """What the notebook's names are after both cells, really executed."""
    book = inject(notebook(source), values)
    names: dict = {}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)  # noqa: S102 - that is what a kernel does
    return names


def test_every_kind_is_read_with_label_help_and_default() -> None:
    schema = {p.name: p for p in read_schema(notebook(CELL))}
    assert list(schema) == [
        "kommunekode",
        "aar",
        "andel",
        "med",
        "fra",
        "maal",
        "antal_aar",
        "omraader",
        "graense",
    ]
    assert schema["kommunekode"] == Parameter("kommunekode", "text", "0751", "Kommune", "din egen kommune")
    assert schema["aar"] == Parameter("aar", "integer", 2025, "År")
    assert schema["andel"].default == 2.0
    assert type(schema["andel"].default) is float
    assert (schema["med"].kind, schema["med"].label) == ("flag", "Med")
    assert schema["fra"].default == date(2025, 1, 31)
    assert schema["maal"].choices == ("antal", "andel")
    assert schema["antal_aar"].choices == (1, 5)
    assert schema["omraader"].kind == "text_list"
    assert schema["graense"].optional
    assert not schema["graense"].required
    assert json.loads(json.dumps([p.as_json() for p in schema.values()]))[4]["default"] == "2025-01-31"


def test_reading_never_executes(tmp_path) -> None:
    target = tmp_path / "made"
    text = faults(f"x = open({str(target)!r}, 'w')\ny: __import__('os').system('true') = 1\nz: str = 'a'\n")
    assert not target.exists()
    assert "Linje 1:" in text
    assert "Linje 2:" in text
    assert "Linje 3" not in text


@pytest.mark.parametrize(
    "line",
    [
        "x = 1 + 2",
        "x, y = 1, 2",
        "x = y = 1",
        "x.y = 1",
        "x[0] = 1",
        "x += 1",
        "x = None",
        "x: str = 5",
        "x: str = None",
        "x: int = True",
        "x: dict = {}",
        "x = {}",
        "x = f'{1}'",
        "x = b'a'",
        "x = 1j",
        "x: Literal['a'] = 'b'",
        "x: Literal['a', 1] = 'a'",
        "x: int | str = 1",
        "x = [1]",
        "x = date(2025, 2, 30)",
        "x = date.today()",
        "x = 1e999",
        "x: float = 1" + "0" * 400,
        f"x = {2**63}",
        "import os",
        "from os import path",
        "print(1)",
        "if True:\n    x = 1",
        "def f(): pass",
        "x = -'a'",
        "x: list[int] = []",
        "x = (1,)",
        "__x__ = 1",
        "x = 1\nx = 2",
        "x: 'str = 1",
        "x: '(((' = 1",
        "%matplotlib inline",
        "!ls",
        "x = ",
        "x: float = float('nan')",
        "x = ...",
    ],
)
def test_what_has_no_literal_kind_is_refused_with_its_line(line: str) -> None:
    assert "Linje" in faults(line)


@pytest.mark.parametrize("source", ["x = 1\0", "(" * 5000, "x = " + "-" * 100_000 + "1", "x = 1\n" * 300_000])
def test_hostile_cells_end_in_one_sentence(source: str) -> None:
    assert "FL-P001" in faults(source)


def test_no_cell_means_no_parameters() -> None:
    assert read_schema(notebook("x = 1", tags=[])) == []
    assert read_schema({}) == []
    assert read_schema({"cells": [{"cell_type": "code", "metadata": None}]}) == []


@pytest.mark.parametrize(
    ("name", "given_value", "expected"),
    [
        ("kommunekode", "0751", "0751"),
        ("kommunekode", "", ""),
        ("kommunekode", "a'b\"c=\n\\", "a'b\"c=\n\\"),
        ("kommunekode", "__import__('os')", "__import__('os')"),
        ("kommunekode", "x" * 1_000_000, "x" * 1_000_000),
        ("aar", "0751", 751),
        ("aar", " -3 ", -3),
        ("aar", 7, 7),
        ("andel", "12,5", 12.5),
        ("andel", "12.5", 12.5),
        ("andel", "1e3", 1000.0),
        ("andel", 3, 3.0),
        ("med", "nej", False),
        ("med", "JA", True),
        ("med", False, False),
        ("fra", "2026-02-28", date(2026, 2, 28)),
        ("fra", "28-02-2026", date(2026, 2, 28)),
        ("fra", "1.2.2026", date(2026, 2, 1)),
        ("maal", "andel", "andel"),
        ("antal_aar", "1", 1),
        ("antal_aar", 1, 1),
        ("omraader", "a; b c", ["a", "b c"]),
        ("omraader", '["a;b", "c"]', ["a;b", "c"]),
        ("omraader", [], []),
        ("omraader", "", []),
        ("graense", "", None),
        ("graense", None, None),
        ("graense", "2", 2.0),
    ],
)
def test_values_are_read_by_kind_and_reach_the_notebook(name: str, given_value: object, expected: object) -> None:
    values = typed(read_schema(notebook(CELL)), {name: given_value})
    assert values[name] == expected
    assert type(values[name]) is type(expected)
    after = injected_values(CELL, values)
    assert after[name] == expected
    assert type(after[name]) is type(expected)
    assert after["kommunekode"] == values["kommunekode"]


@pytest.mark.parametrize(
    ("name", "given_value"),
    [
        ("kommunekode", 751),
        ("kommunekode", None),
        ("kommunekode", ["0751"]),
        ("kommunekode", "x" * 1_100_000),
        ("aar", "2025.0"),
        ("aar", "1_000"),
        ("aar", "٣"),
        ("aar", True),
        ("aar", 1.0),
        ("aar", "9" * 5000),
        ("aar", 2**63),
        ("aar", ""),
        ("andel", "nan"),
        ("andel", "inf"),
        ("andel", "1e999"),
        ("andel", "1.234,5"),
        ("andel", float("nan")),
        ("andel", float("-inf")),
        ("andel", 10**400),
        ("andel", True),
        ("med", "måske"),
        ("med", 1),
        ("fra", "2026-02-30"),
        ("fra", "02/30/2026"),
        ("fra", 20260101),
        ("maal", "Antal"),
        ("maal", ["antal"]),
        ("antal_aar", "2"),
        ("antal_aar", True),
        ("omraader", "[1]"),
        ("omraader", "["),
        ("omraader", "[" * 100_000),
        ("omraader", [1]),
        ("omraader", {"a": 1}),
        ("omraader", ["a"] * 20_000),
        ("graense", "tom"),
    ],
)
def test_wrong_values_are_refused_without_repeating_them(name: str, given_value: object) -> None:
    text = refused(CELL, **{name: given_value})
    assert f"'{name}'" in text
    if isinstance(given_value, str) and len(given_value) > 4:
        assert given_value not in text


def test_all_faults_at_once_with_the_nearest_name() -> None:
    source = "kommunekode: str\naar: int\nandel = 1.5\n"
    text = refused(source, kommunekod="0751", aar="x", andel="y", **{"x y": "1"})
    assert "'kommunekod'; mente du 'kommunekode'?" in text
    assert "'kommunekode' mangler" in text
    assert "'aar' skal være et helt tal" in text
    assert "'andel' skal være et tal" in text
    assert "(ikke et lovligt navn)" in text
    assert "ingen parametre" in refused("pass", a="1")


def test_injection_leaves_the_notebook_and_replaces_an_earlier_one() -> None:
    book = notebook(CELL)
    before = json.dumps(book)
    once = inject(book, {"aar": 1})
    twice = inject(once, {"aar": 2})
    assert json.dumps(book) == before
    tags = [c["metadata"].get("tags") for c in twice["cells"]]
    assert tags == [None, ["parameters"], ["injected-parameters"]]
    assert "aar = 2" in twice["cells"][2]["source"]
    assert inject(book, {}) == book
    assert inject(notebook("x = 1", tags=[]), {"x": 1}) == notebook("x = 1", tags=[])


@pytest.mark.parametrize(
    "values", [{"a b": 1}, {"x=1;y": 1}, {"x": float("nan")}, {"x": {"a": 1}}, {"x": print}, {1: 1}]
)
def test_injection_takes_checked_literals_only(values: dict) -> None:
    with pytest.raises(ParameterError, match="FL-P005"):
        inject(notebook("x = 1"), values)


def test_the_date_is_written_as_the_cell_spells_it() -> None:
    source = "import datetime\nfra: datetime.date = datetime.date(2025, 1, 1)\n"
    after = injected_values(source, typed(read_schema(notebook(source)), {"fra": "2026-03-01"}))
    assert after["fra"] == date(2026, 3, 1)
    assert after["datetime"].__name__ == "datetime"


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_round_trips_exactly(text: str) -> None:
    source = 'x: str = "standard"'
    book = inject(notebook(source), typed(read_schema(notebook(source)), {"x": text}))
    tree = ast.parse(book["cells"][2]["source"])
    assert [type(n) for n in tree.body] == [ast.Assign]
    assert ast.literal_eval(tree.body[0].value) == text


_literals = st.one_of(
    st.text(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.dates(),
    st.lists(st.text()),
)


@given(_literals, _literals)
def test_any_literal_is_a_default_and_a_value(default: object, value: object) -> None:
    def spelled(v: object) -> str:
        return f"date({v.year}, {v.month}, {v.day})" if isinstance(v, date) else repr(v)

    source = f"from datetime import date\nx = {spelled(default)}  # X: hjælp\n"
    (p,) = read_schema(notebook(source))
    assert p.default == default
    assert type(p.default) is type(default)
    if type(value) is type(default):
        text = value.isoformat() if isinstance(value, date) else value
        after = injected_values(source, typed([p], {"x": text}))
        assert after["x"] == value
        assert type(after["x"]) is type(value)


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists)))
def test_anything_given_is_a_value_or_one_parameter_error(given_values: dict) -> None:
    try:
        values = typed(read_schema(notebook(CELL)), given_values)
    except ParameterError:
        return
    assert set(given_values) <= set(values)


@given(st.text() | st.text(alphabet="x:=+-[](){}'\"#,.\n date|None1").map(lambda s: "x" + s))
def test_any_cell_text_is_a_schema_or_one_parameter_error(source: str) -> None:
    try:
        schema = read_schema(notebook(source))
    except ParameterError:
        return
    typed([p for p in schema if not p.required], {})
