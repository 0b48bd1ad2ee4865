"""Whose turn it is: nobody waits behind another municipality's pile."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from faelleslab_hub.runs.queue import next_tenant

T0 = datetime(2026, 11, 22, tzinfo=UTC)
_TENANTS = ["0461", "0751", "kursus"]


def test_nothing_waits() -> None:
    assert next_tenant({}, {}, {}) is None


def test_fewest_running_comes_first() -> None:
    waiting = {"0461": T0, "0751": T0 + timedelta(hours=1)}
    assert next_tenant(waiting, {"0461": 1}, {}) == "0751"


@given(
    piles=st.fixed_dictionaries({code: st.integers(0, 30) for code in _TENANTS}),
    slots=st.integers(1, 4),
    order=st.randoms(use_true_random=False),
)
def test_everybody_is_served_and_nobody_twice_while_another_waits(piles, slots, order) -> None:
    left, running, served, number = dict(piles), [], {}, 0
    log = []
    while any(left.values()) or running:
        while len(running) < slots and any(left.values()):
            waiting = {code: T0 for code, n in left.items() if n}
            chosen = next_tenant(waiting, {c: running.count(c) for c in _TENANTS}, served)
            assert chosen in waiting
            assert all(running.count(chosen) <= running.count(other) for other in waiting)
            number += 1
            served[chosen] = number
            left[chosen] -= 1
            running.append(chosen)
            log.append((chosen, frozenset(code for code, n in left.items() if n)))
        running.remove(order.choice(running))
    assert {code: sum(c == code for c, _ in log) for code in _TENANTS} == piles
    if slots == 1:
        for (first, waiting), (second, _) in pairwise(log):
            assert second != first or waiting <= {first}
