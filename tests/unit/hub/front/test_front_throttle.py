"""Guessing is slowed down, for ever longer, and never for somebody else."""

from hypothesis import given
from hypothesis import strategies as st

from faelleslab_hub.throttle import FIRST_PAUSE_S, FORGET_S, FREE_ATTEMPTS, LONGEST_PAUSE_S, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(throttle: Throttle, key: str, times: int) -> float:
    return [throttle.failed(key) for _ in range(times)][-1]


def test_a_few_attempts_are_free() -> None:
    throttle = Throttle(Clock())
    assert fail(throttle, "a", FREE_ATTEMPTS - 1) == 0
    assert throttle.wait_s("a") == 0
    assert throttle.failed("a") == FIRST_PAUSE_S
    assert throttle.wait_s("a") == FIRST_PAUSE_S
    assert throttle.wait_s("b") == 0


def test_a_pause_ends_and_the_next_is_longer() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    fail(throttle, "a", FREE_ATTEMPTS)
    clock.now += FIRST_PAUSE_S
    assert throttle.wait_s("a") == 0
    assert throttle.failed("a") == 2 * FIRST_PAUSE_S


def test_success_and_time_forget() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    fail(throttle, "a", FREE_ATTEMPTS - 1)
    throttle.succeeded("a")
    assert fail(throttle, "a", FREE_ATTEMPTS - 1) == 0
    clock.now += FORGET_S + 1
    assert throttle.failed("a") == 0


def test_attempts_during_a_pause_are_counted_once() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    assert throttle.unheard("a") == 0
    fail(throttle, "a", FREE_ATTEMPTS)
    for _ in range(3):
        throttle.wait_s("a")
    assert throttle.unheard("a") == 3
    assert throttle.unheard("a") == 0


@given(st.integers(min_value=FREE_ATTEMPTS, max_value=3000))
def test_a_pause_is_never_shorter_than_the_first_nor_longer_than_the_longest(times: int) -> None:
    assert FIRST_PAUSE_S <= fail(Throttle(Clock()), "a", times) <= LONGEST_PAUSE_S
