"""What the form is told by the kernel."""

import ast
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from faelleslab.ui.form import check, describe

CELL = """from typing import Literal
from datetime import date
from faelleslab.jobs import Kommunekode
kommunekode: Kommunekode = "0751"  # Kommune: den, der fremhæves
antal: int = 10  # Antal
grænse: float = 2.5  # Grænse
fra: date = date(2025, 1, 31)  # Fra
måde: Literal["hele landet", "regionen"] = "regionen"  # Måde
vis: bool = True  # Vis alle
note: str | None = None  # Note
"""


def content(answer: Any) -> dict[str, Any]:
    return dict(answer._repr_mimebundle_()["application/json"])


def test_the_form_gets_names_for_codes_in_danish_order() -> None:
    fields = {f["name"]: f for f in content(describe(CELL))["schema"]}
    options = fields["kommunekode"]["options"]
    assert len(options) == 98
    assert ["0751", "Aarhus"] in options
    names = [name for _, name in options]
    assert names[0] == "Albertslund"
    assert names[-3:] == ["Aabenraa", "Aalborg", "Aarhus"], "Aa is å, the last letter"
    assert names.index("Ærø") > names.index("Vordingborg")
    assert fields["måde"]["options"] == [["hele landet", "Hele landet"], ["regionen", "Regionen"]]
    assert fields["fra"]["default"] == "2025-01-31"


def test_the_last_runs_values_come_back() -> None:
    injected = content(check(CELL, {"kommunekode": "0101", "antal": "7", "fra": "2024-02-29", "vis": False}))["source"]
    values = content(describe(CELL, injected))["values"]
    assert values == {
        "kommunekode": "0101", "antal": 7, "grænse": 2.5, "fra": "2024-02-29", "måde": "regionen", "vis": False
    }  # fmt: skip


def test_every_wrong_value_is_said_at_its_field_at_once() -> None:
    given_values = {"kommunekode": "9999", "antal": "ti", "grænse": "2,5", "fra": "31-02-2025", "måde": "alt"}
    faults = {f["name"]: f["text"] for f in content(check(CELL, given_values))["faults"]}
    assert set(faults) == {"kommunekode", "antal", "fra", "måde"}
    assert faults["antal"] == "Antal skal være et helt tal."
    assert not any(value in text for text in faults.values() for value in ("9999", "ti.", "31-02"))


def test_a_broken_cell_is_a_sentence() -> None:
    assert "FL-P001" in content(describe("x = 1 + 2"))["fault"]
    assert "FL-P001" in content(check("x = 1 +", {}))["faults"][0]["text"]


def test_an_injected_cell_of_another_kind_is_passed_over() -> None:
    for odd in (
        "antal = ",
        "antal = os.remove('x')",
        "antal = date()",
        "antal, b = 1, 2",
        "print(1)",
        "antal = date(1, 2)",
    ):
        assert content(describe(CELL, odd))["values"] == {}


@given(st.text())
def test_no_text_becomes_code(text: str) -> None:
    answer = content(check("t: str = ''", {"t": text}))
    tree = ast.parse(answer["source"])
    assert [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)] == [text]
