"""Production runs: a notebook, typed parameters, one process, one result that can be trusted.

`run_notebook` is the one call; the command line (`faelleslab run`) is a thin coat around it. The engine is two
processes and no kernel (ADR 2): a supervising parent of the standard library alone, and a child that runs the cells
in an IPython shell. Nothing here is imported before it is used, so that `faelleslab.jobs.provenance` stays free.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faelleslab.jobs.parameters import Kommunekode, Parameter, inject, read_schema, typed
    from faelleslab.jobs.result import Result
    from faelleslab.jobs.runner import run_notebook

__all__ = ["Kommunekode", "Parameter", "Result", "inject", "read_schema", "run_notebook", "typed"]

_HOME = {
    "Kommunekode": "parameters",
    "Parameter": "parameters",
    "Result": "result",
    "inject": "parameters",
    "read_schema": "parameters",
    "run_notebook": "runner",
    "typed": "parameters",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
