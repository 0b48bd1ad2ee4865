"""Slow down whoever guesses: after a few wrong passwords an account answers nobody for a while, right or wrong.

The count is per account and never per address: behind the proxy of a town hall everybody has the same address, and a
container that calls the hub directly can claim any. Names that do not exist share one count, so that guessing names
neither fills the memory nor the audit chain.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

FREE_ATTEMPTS = 5
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 900.0
# After this long without a wrong password the count starts over.
FORGET_S = 3600.0


@dataclass
class _Count:
    failures: int = 0
    last: float = 0.0
    until: float = 0.0
    unheard: int = 0


class Throttle:
    """Counts failures by key and says how long a key must wait.

    Parameters
    ----------
    clock : callable
        Seconds that only grow; tests bring their own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, _Count] = {}

    def wait_s(self, key: str) -> float:
        """Give the seconds left of the pause, 0 when there is none; an attempt during a pause is counted unheard."""
        count = self._counts.get(key)
        if count is None:
            return 0.0
        left = count.until - self._clock()
        if left > 0:
            count.unheard += 1
            return left
        if self._clock() - count.last > FORGET_S and not count.unheard:
            del self._counts[key]
        return 0.0

    def unheard(self, key: str) -> int:
        """Give and reset how many attempts were turned away during the last pause."""
        count = self._counts.get(key)
        if count is None:
            return 0
        unheard, count.unheard = count.unheard, 0
        return unheard

    def failed(self, key: str) -> float:
        """Count one failure; gives the pause in seconds that begins now, or 0."""
        now = self._clock()
        count = self._counts.setdefault(key, _Count())
        if now - count.last > FORGET_S:
            count.failures = 0
        count.failures += 1
        count.last = now
        over = count.failures - FREE_ATTEMPTS
        if over < 0:
            return 0.0
        # The exponent is capped too: 2**failures of a patient attacker would overflow a float.
        pause = min(FIRST_PAUSE_S * 2.0 ** min(over, 10), LONGEST_PAUSE_S)
        count.until = now + pause
        return pause

    def succeeded(self, key: str) -> None:
        """Forget the failures of a key."""
        self._counts.pop(key, None)
