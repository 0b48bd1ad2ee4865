"""What the inspector makes of a sandbox's answer, which a hostile notebook may have written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab_hub.inspector.judging import judge
from faelleslab_hub.runs.models import Inspection, Run
from faelleslab_hub.runs.states import Reason

GOOD: dict[str, Any] = {"version": 1, "code": None, "fault": None, "cells": 2, "parameters": {"kode": "0751", "n": 3}}


def _judge(answer: Any, *, outcome: str = "ENDED", cut: bool = False, given: dict[str, str] | None = None) -> Any:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    run = Run(id="r", tenant="0751", notebook="t0.ipynb", given=json.dumps(given or {}))
    return judge(Inspection(run_id="r", outcome=outcome, answer=text, cut=cut), run)


def test_a_good_answer_is_accepted_with_its_types() -> None:
    found = _judge(GOOD, given={"kode": "0751"})
    assert found.reason is None
    assert found.parameters == {"kode": "0751", "n": 3}


def test_a_fault_is_told_in_its_own_words() -> None:
    found = _judge({**GOOD, "code": "FL-P002", "fault": "Parameteren 'n'\x1b[2J skal være et helt tal. (FL-P002)"})
    assert found.reason is Reason.REFUSED
    assert found.code == "FL-P002"
    assert found.message == "Parameteren 'n'[2J skal være et helt tal. (FL-P002)"


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": True},
        {"extra": 1},
        {"cells": -1},
        {"code": "rm -rf"},
        {"parameters": {"ikke et navn": 1}},
        {"parameters": {"__import__('os')": 1}},
        {"parameters": {"n\n": 1}},
        {"parameters": {"n": {"a": 1}}},
        {"parameters": {"n": [1]}},
        {"parameters": {"n": float("inf")}},
        {"parameters": [1]},
        {"parameters": {f"n{i}": 1 for i in range(501)}},
    ],
)
def test_another_shape_is_refused(change: dict[str, Any]) -> None:
    found = _judge({**GOOD, **change})
    assert found.reason is Reason.REFUSED
    assert found.code == "FL-R112"
    assert not found.parameters


def test_a_given_parameter_cannot_vanish() -> None:
    assert _judge(GOOD, given={"andet": "1"}).reason is Reason.REFUSED


def test_a_cut_answer_is_refused() -> None:
    assert _judge(GOOD, cut=True).reason is Reason.REFUSED


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("TIMED_OUT", Reason.REFUSED),
        ("OUT_OF_MEMORY", Reason.REFUSED),
        ("DIED", Reason.REFUSED),
        ("LOST", Reason.INTERNAL_ERROR),
        ("UNPLACED", Reason.INTERNAL_ERROR),
    ],
)
def test_a_sandbox_without_an_answer_is_never_an_acceptance(outcome: str, reason: Reason) -> None:
    found = _judge(GOOD, outcome=outcome)
    assert found.reason is reason
    assert found.message


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x)).map(json.dumps))
def test_any_text_is_judged_without_a_crash(text: str) -> None:
    assert _judge(text).reason is Reason.REFUSED


def test_deep_nesting_is_judged_without_a_crash() -> None:
    assert _judge("[" * 100_000).reason is Reason.REFUSED
