"""Answers to the form that a template opens with: what its fields are, and whether what was typed is right.

The form (kit/labextension) asks in the notebook's own kernel. Typing is `faelleslab.jobs.parameters`, the same as in a
production run, so what the form accepts, the schedule accepts too.
"""

import ast
from collections.abc import Mapping
from typing import Any

from faelleslab.errors import FaelleslabError
from faelleslab.jobs import parameters
from faelleslab.jobs.parameters import Parameter
from faelleslab.ui import front_end
from faelleslab.ui.answer import Answer


def schema_json(schema: list[Parameter]) -> list[dict[str, Any]]:
    """Return the schema for the form: as JSON, with what each choice is called.

    ``options`` is a list of ``[value, text]`` where the field is a list to choose from.
    """
    return [{**p.as_json(), "options": _options(p)} for p in schema]


def describe(source: str, injected: str = "") -> Answer:
    """Read the parameters cell and the values of the last run.

    Parameters
    ----------
    source : str
        The cell tagged ``parameters``.
    injected : str
        The cell tagged ``injected-parameters``; empty when there is none.

    Returns
    -------
    Answer
        ``schema`` and ``values``, or ``fault``: one Danish sentence.
    """
    front_end.announce()
    try:
        schema = parameters.read_schema(_notebook(source))
    except FaelleslabError as error:
        return Answer({"fault": str(error)})
    known = {p.name for p in schema}
    values = {name: parameters.as_json(value) for name, value in _assigned(injected).items() if name in known}
    return Answer({"schema": schema_json(schema), "values": values})


def check(source: str, given: Mapping[str, Any]) -> Answer:
    """Type the values of the form.

    Parameters
    ----------
    source : str
        The cell tagged ``parameters``.
    given : mapping of str to str or bool
        What stands in each field.

    Returns
    -------
    Answer
        ``source`` of the injected-parameters cell, or ``faults``: a list of ``{name, text}``.
    """
    front_end.announce()
    try:
        schema = parameters.read_schema(_notebook(source))
        faults = _faults(schema, given)
        if faults:
            return Answer({"faults": faults})
        made = parameters.inject(_notebook(source), parameters.typed(schema, given))
    except FaelleslabError as error:
        return Answer({"faults": [{"name": "", "text": str(error)}]})
    return Answer({"source": made["cells"][-1]["source"]})


def _faults(schema: list[Parameter], given: Mapping[str, Any]) -> list[dict[str, str]]:
    from faelleslab.jobs.parameter_values import typed_value

    found = []
    for p in schema:
        if p.name in given:
            _, rule = typed_value(p, given[p.name])
            if rule:
                found.append({"name": p.name, "text": f"{p.label} {rule}."})
    return found


def _options(p: Parameter) -> list[list[str]]:
    if p.kind == "municipality":
        from faelleslab.jobs.parameter_values import municipality_names

        return [[code, name] for code, name in sorted(municipality_names().items(), key=lambda item: _danish(item[1]))]
    return [[str(c), str(c)[:1].upper() + str(c)[1:]] for c in p.choices]


def _danish(name: str) -> str:
    """Return a key that sorts æ, ø, å last, in that order, and Aa as å."""
    return name.lower().replace("aa", "å").translate(str.maketrans("æøå", "{|}"))


def _assigned(source: str) -> dict[str, Any]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _literal(node.value)
            if value is not None:
                found[node.targets[0].id] = value
    return found


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):  # date(2026, 1, 31), the one call that `inject` writes
        try:
            year, month, day = (ast.literal_eval(a) for a in node.args)
            return f"{year:04}-{month:02}-{day:02}"
        except (ValueError, TypeError):
            return None
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _notebook(source: str) -> dict[str, Any]:
    cell = {"cell_type": "code", "metadata": {"tags": [parameters.TAG]}, "source": source}
    return {"cells": [cell], "nbformat": 4, "nbformat_minor": 5}
