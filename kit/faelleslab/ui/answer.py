"""What the kit answers the form in the browser: JSON, as the value of an expression the form asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A JSON answer; the form reads it from the kernel's reply."""

    content: Mapping[str, Any]

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"application/json": dict(self.content), "text/plain": "(svar til formularen)"}
