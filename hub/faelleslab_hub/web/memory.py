"""Short-lived memory of the process: who is logged in, and which logins are under way.

Tokens never leave the process; a browser gets a random number. After a restart everyone is simply logged in again by
the hub, without noticing.
"""

import time
from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values that are forgotten after a while, the oldest first when there are too many."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._values: OrderedDict[str, tuple[float, Value]] = OrderedDict()

    def put(self, key: str, value: Value) -> None:
        """Remember a value anew."""
        self._values.pop(key, None)
        self._values[key] = (time.monotonic() + self._seconds, value)
        while len(self._values) > self._most:
            self._values.popitem(last=False)

    def find(self, key: str) -> Value | None:
        """Give the value if it is still remembered."""
        expires, value = self._values.get(key, (0.0, None))
        if value is not None and expires <= time.monotonic():
            self.forget(key)
            return None
        return value

    def forget(self, key: str) -> None:
        """Forget a value."""
        self._values.pop(key, None)


class LoginMemory:
    """The store Authlib keeps a login's verifier in, so that it is not in the browser's cookie."""

    def __init__(self) -> None:
        self._values: Memory[str] = Memory(most=10_000, seconds=600)

    async def get(self, key: str) -> str | None:
        """Give what was set."""
        return self._values.find(key)

    async def set(self, key: str, value: str, _expires: int | None = None) -> None:
        """Remember it for ten minutes."""
        self._values.put(key, value)

    async def delete(self, key: str) -> None:
        """Forget it."""
        self._values.forget(key)
