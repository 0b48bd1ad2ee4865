"""The verdict: success only when every sign says so; a lying result file can only make things worse."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab_hub.runs.result import RunResult
from faelleslab_hub.runs.states import EXIT_CODES, Reason
from faelleslab_hub.runs.verdict import Ended, judge

_KIT_REASONS = [reason for reason in Reason if reason is not Reason.LOST]


def _result(reason: Reason | None, **more: Any) -> RunResult:
    return RunResult.model_validate(
        {
            "state": "FAILED" if reason else "SUCCEEDED",
            "reason": reason.value if reason else None,
            "exit_code": EXIT_CODES[reason],
            **more,
        }
    )


_ENDED = st.builds(
    Ended,
    exit_code=st.none() | st.sampled_from([0, 1, 2, 10, 11, 12, 13, 14, 70, 97, 134, 137, 139, 143, 255, -9]),
    out_of_memory=st.booleans(),
    lost=st.booleans(),
    alone=st.booleans(),
)
_RESULTS = st.none() | st.builds(
    lambda reason, kills: _result(reason, memory_kills=kills),
    st.sampled_from([None, *_KIT_REASONS]),
    st.integers(0, 2),
)
_STOPPING = st.sampled_from([None, Reason.TIMED_OUT, Reason.CANCELLED])


@given(_ENDED, _RESULTS, _STOPPING)
def test_success_needs_every_sign(ended: Ended, result: RunResult | None, stopping: Reason | None) -> None:
    verdict = judge(ended, result, stopping)
    all_agree = (
        ended.exit_code == 0
        and not ended.out_of_memory
        and not ended.lost
        and result is not None
        and result.state == "SUCCEEDED"
        and not (ended.alone and result.memory_kills)
    )
    assert (verdict.reason is None) == all_agree
    assert (verdict.exit_code == 0) == all_agree
    assert verdict.message


@pytest.mark.parametrize("reason", _KIT_REASONS)
def test_what_the_kit_says_counts_when_the_exit_code_agrees(reason: Reason) -> None:
    assert judge(Ended(EXIT_CODES[reason]), _result(reason)).reason is reason


@pytest.mark.parametrize(
    ("ended", "result", "stopping", "reason"),
    [
        (Ended(0), None, None, Reason.INTERNAL_ERROR),
        (Ended(0), _result(Reason.CELL_FAILED), None, Reason.INTERNAL_ERROR),
        (Ended(137), None, None, Reason.KERNEL_DIED),
        (Ended(-9), None, None, Reason.KERNEL_DIED),
        (Ended(137), _result(None), None, Reason.KERNEL_DIED),
        (Ended(137, out_of_memory=True), None, None, Reason.OUT_OF_MEMORY),
        (Ended(11, out_of_memory=True), _result(Reason.KERNEL_DIED), None, Reason.OUT_OF_MEMORY),
        (Ended(0, out_of_memory=True), _result(None), None, Reason.OUT_OF_MEMORY),
        (Ended(0, alone=True), _result(None, memory_kills=1), None, Reason.OUT_OF_MEMORY),
        (Ended(0), _result(None, memory_kills=1), None, None),
        (Ended(137), None, Reason.TIMED_OUT, Reason.TIMED_OUT),
        (Ended(14), _result(Reason.CANCELLED), Reason.TIMED_OUT, Reason.TIMED_OUT),
        (Ended(0), _result(None), Reason.CANCELLED, None),
        (Ended(lost=True), _result(None), None, Reason.LOST),
        (Ended(None), _result(None), None, Reason.LOST),
        (Ended(97, lost=True), None, None, Reason.LOST),
        (Ended(1), None, None, Reason.INTERNAL_ERROR),
    ],
)
def test_table(ended: Ended, result: RunResult | None, stopping: Reason | None, reason: Reason | None) -> None:
    assert judge(ended, result, stopping).reason is reason


def test_the_kits_sentence_is_shown_only_for_its_own_reason() -> None:
    told = _result(Reason.CELL_FAILED, message="Fejl i celle 3.\n\x1b[31mrød")
    assert judge(Ended(10), told).message == "Fejl i celle 3. [31mrød"
    assert "celle 3" not in judge(Ended(137, out_of_memory=True), told).message
