"""The kit's result.json as the hub takes it: written where the notebook's own code could write too, so not trusted.

It counts only together with the exit code and the out-of-memory flag (`faelleslab_hub.runs.verdict`).
"""

import json
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from faelleslab_hub.runs.states import EXIT_CODES, Reason
from faelleslab_hub.runs.untrusted import read_regular

NAME = "result.json"
MAX_BYTES = 4 * 2**20
_MAX_STORED = 256 * 2**10

_Hash = Annotated[str, Field(pattern=r"^(sha256:)?[0-9a-f]{64}$")]
_Short = Annotated[str, Field(max_length=300)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class Cell(_Strict):
    """One code cell's end."""

    index: Annotated[int, Field(ge=0, lt=100_000)]
    label: _Short | None = None
    seconds: Annotated[float, Field(ge=0)] | None = None
    state: Annotated[str, Field(max_length=40)]


class Output(_Strict):
    """One file the run left behind, below its output folder."""

    path: Annotated[str, Field(min_length=1, max_length=1000)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: _Hash

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or not path.isprintable():
            message = "a path must stay below the output folder"
            raise ValueError(message)
        return path


class RunResult(_Strict):
    """What the runner says about a run (schema version 1)."""

    state: Literal["SUCCEEDED", "FAILED"]
    reason: (
        Literal[
            "CELL_FAILED",
            "KERNEL_DIED",
            "OUT_OF_MEMORY",
            "TIMED_OUT",
            "CANCELLED",
            "REFUSED",
            "INTERNAL_ERROR",
        ]
        | None
    )
    exit_code: Annotated[int, Field(ge=0, le=255)]
    code: Annotated[str, Field(pattern=r"^FL-[A-Z]\d{3}$")] | None = None
    message: Annotated[str, Field(max_length=4000)] | None = None
    error_class: _Short | None = None
    cells: Annotated[list[Cell], Field(max_length=20_000)] = []
    started_at: _Short | None = None
    ended_at: _Short | None = None
    cpu_seconds: Annotated[float, Field(ge=0)] | None = None
    peak_memory_bytes: Annotated[int, Field(ge=0)] | None = None
    memory_kills: Annotated[int, Field(ge=0)] = 0
    hashes: dict[str, Any] = {}
    outputs: Annotated[list[Output], Field(max_length=12_000)] = []
    versions: dict[_Short, _Short | None] = {}

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        succeeded = self.state == "SUCCEEDED"
        if succeeded != (self.reason is None) or self.exit_code != EXIT_CODES[self.reason and Reason(self.reason)]:
            message = "state, reason and exit code do not agree"
            raise ValueError(message)
        if succeeded and any(cell.state != "DONE" for cell in self.cells):
            message = "a success has no cell left undone"
            raise ValueError(message)
        return self

    def stored(self) -> str:
        """Give the JSON text for the run's row; what is too long for a row stays in the file."""
        text = self.model_dump_json()
        if len(text) > _MAX_STORED:
            text = self.model_copy(update={"cells": [], "outputs": [], "hashes": {}, "versions": {}}).model_dump_json()
        return text.replace("\\u0000", "")


def read(folder: Path) -> RunResult | None:
    """Read a run's result; None when it is missing or not what a result must be."""
    content = read_regular(folder / NAME, MAX_BYTES)
    if content is None:
        return None
    try:
        return RunResult.model_validate(json.loads(content))
    except (ValueError, RecursionError, ValidationError):
        return None
