"""The state machine: whatever happens in whatever order, there is one end and at most one attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faelleslab_hub.runs.states import (
    EXIT_CODES,
    MESSAGES,
    Position,
    Reason,
    Stage,
    State,
    Step,
    advance,
)

_STEPS = st.lists(st.tuples(st.sampled_from(Step), st.none() | st.sampled_from(Reason)), max_size=12)


@given(_STEPS)
def test_any_order_of_steps_keeps_the_promises(steps: list[tuple[Step, Reason | None]]) -> None:
    position, ends = Position(), 0
    for step, reason in steps:
        before = position
        try:
            position = advance(position, step, reason)
        except ValueError:
            assert position is before
            continue
        assert before.stage is not Stage.ENDED, "nothing leaves the end"
        ends += position.stage is Stage.ENDED
        assert position.attempt - before.attempt == (step is Step.CLAIM)
    assert ends <= 1
    assert position.attempt <= 1
    assert (position.state is State.FAILED) == (position.reason is not None)
    if position.state is State.SUCCEEDED:
        assert position.attempt == 1, "only what was executed can succeed"


@given(st.sampled_from(Step), st.none() | st.sampled_from(Reason))
def test_nothing_follows_the_end(step: Step, reason: Reason | None) -> None:
    with pytest.raises(ValueError, match="not possible"):
        advance(Position(Stage.ENDED), step, reason)


@pytest.mark.parametrize("step", [Step.REFUSE, Step.WITHDRAW])
def test_a_refusal_says_why(step: Step) -> None:
    with pytest.raises(ValueError, match="reason"):
        advance(Position(), step)


@pytest.mark.parametrize(("stage", "step"), [(Stage.INSPECTING, Step.ACCEPT), (Stage.WAITING, Step.CLAIM)])
def test_going_on_has_no_reason(stage: Stage, step: Step) -> None:
    with pytest.raises(ValueError, match="reason"):
        advance(Position(stage), step, Reason.LOST)


def test_every_ending_has_its_own_exit_code_and_sentence() -> None:
    assert set(EXIT_CODES) == set(MESSAGES) == {None, *Reason}
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    assert [reason for reason, code in EXIT_CODES.items() if code == 0] == [None]


def test_the_kits_exit_codes_are_the_same() -> None:
    from faelleslab.jobs.result import EXIT_CODES as KIT

    ours = {None if reason is None else reason.value: code for reason, code in EXIT_CODES.items()}
    assert {reason: ours[reason] for reason in KIT} == KIT
