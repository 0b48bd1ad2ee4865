"""A notebook's typed parameters: read from the cell tagged ``parameters``, never by executing it.

The cell is ordinary Python, the convention of papermill, so the notebook also runs in JupyterLab and by papermill::

    kommunekode: str = "0751"  # Kommune: din egen kommune
    aar: int = 2025  # År
    fra: date = date(2025, 1, 1)  # Fra og med
    maal: Literal["antal", "andel"] = "antal"  # Vis som
    omraader: list[str] = ["Midtby"]  # Områder: skilt med semikolon
    graense: float | None = None  # Grænse: tom betyder ingen

An annotation decides the kind; without one the literal does. ``kommunekode: Kommunekode = "0751"`` is a text that must
be one of the 98 codes (kind ``municipality``); the form shows it as a list of names. The comment is ``label: help``.
What has no literal value (``x = 1 + 2``) has no kind and is refused with its line number. Values are written back by
`repr` of checked literals and by nothing else, so no text can become code.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from faelleslab.errors import ParameterError
from faelleslab.jobs.parameter_cell import Declaration, read_cell
from faelleslab.jobs.parameter_values import Value, typed_value

TAG = "parameters"
INJECTED_TAG = "injected-parameters"

Kommunekode = str
"""Annotation of a parameter that is a municipality's four-digit code."""


@dataclass(frozen=True)
class Parameter:
    """One typed parameter of a notebook.

    Attributes
    ----------
    name : str
        Python identifier.
    kind : str
        ``text``, ``integer``, ``decimal``, ``flag``, ``date``, ``choice``, ``text_list`` or ``municipality``.
    default : str, int, float, bool, date, list of str or None
        None when there is none; see `required` and `optional`.
    label, help : str
        Danish, from the trailing comment; `label` falls back to the name.
    choices : tuple
        Of a ``choice``: texts or integers.
    optional : bool
        None is a lawful value.
    required : bool
        There is no default; a value must be given.
    spelling : str
        How the cell writes the date type (``date`` or ``datetime.date``); empty for other kinds.
    """

    name: str
    kind: str
    default: Value = None
    label: str = ""
    help: str = ""
    choices: tuple[str | int, ...] = ()
    optional: bool = False
    required: bool = False
    spelling: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the parameter as JSON values; dates as ISO text."""
        return {
            "name": self.name,
            "kind": self.kind,
            "default": as_json(self.default),
            "label": self.label,
            "help": self.help,
            "choices": list(self.choices),
            "optional": self.optional,
            "required": self.required,
        }


def as_json(value: Value) -> Any:
    """Return a parameter's value as JSON knows it; a date as ISO text."""
    return value.isoformat() if isinstance(value, date) else value


def read_schema(notebook: Mapping[str, Any]) -> list[Parameter]:
    """Read a notebook's typed parameters, without executing anything.

    Parameters
    ----------
    notebook : mapping
        The notebook's JSON. As with papermill, the first cell tagged ``parameters`` counts.

    Returns
    -------
    list of Parameter
        In the order of the cell; empty when there is no such cell.

    Raises
    ------
    ParameterError
        FL-P001, listing every line that cannot be read as a parameter.
    """
    position = _tagged(notebook, TAG)
    if position is None:
        return []
    declarations, faults = read_cell(_source(notebook["cells"][position]))
    if faults:
        raise ParameterError(
            "FL-P001",
            "Parametercellen kan ikke læses: " + " ".join(faults),
            rule="hver linje i cellen er navn = værdi eller navn: type = værdi, og værdien er skrevet ud.",
            remedy="ret linjerne, og flyt beregninger til en anden celle.",
        )
    return [_parameter(d) for d in declarations]


def typed(schema: list[Parameter], given: Mapping[str, Any]) -> dict[str, Value]:
    """Check given values against the schema and return every parameter's value.

    Parameters
    ----------
    schema : list of Parameter
    given : mapping of str to str or JSON value
        Text is read by the parameter's kind: ``"0751"`` stays text for a text and is 751 for an integer; decimal comma
        and ``dd-mm-åååå`` are understood. JSON values must already be of the kind.

    Returns
    -------
    dict
        Name -> value in the schema's order, defaults included.

    Raises
    ------
    ParameterError
        FL-P002, listing every fault at once. Values are not repeated in the text.
    """
    faults: list[str] = []
    known = {p.name: p for p in schema}
    values: dict[str, Value] = {}
    for name in given:
        if name not in known:
            faults.append(_unknown(str(name), list(known)))
    for p in schema:
        if p.name not in given:
            if p.required:
                faults.append(f"Parameteren '{p.name}' mangler.")
            values[p.name] = p.default
            continue
        value, rule = typed_value(p, given[p.name])
        values[p.name] = value
        if rule:
            faults.append(f"Parameteren '{p.name}' {rule}.")
    if faults:
        raise ParameterError(
            "FL-P002",
            " ".join(faults),
            remedy="ret værdierne; 'faelleslab parameters NOTESBOG' viser, hvad notesbogen tager imod.",
        )
    return values


def inject(notebook: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """Return a copy of the notebook with the values in a cell after the parameters cell.

    Parameters
    ----------
    notebook : mapping
        Not changed. A cell injected by an earlier run is replaced.
    values : mapping of str to value
        As `typed` returned them.

    Returns
    -------
    dict
        A new notebook; unchanged when there are no values.

    Raises
    ------
    ParameterError
        FL-P005, if a name or value is not of the checked kinds: they can only come from `typed`.
    """
    made = copy.deepcopy(dict(notebook))
    made["cells"] = [c for c in made.get("cells", []) if INJECTED_TAG not in _tags(c)]
    position = _tagged(made, TAG)
    if not values or position is None:
        return made
    spelled = {p.name: p.spelling for p in read_schema(made)}
    lines = ["# Parametre"]
    if any(isinstance(v, date) and spelled.get(n) != "datetime.date" for n, v in values.items()):
        lines.append("from datetime import date")
    if any(isinstance(v, date) and spelled.get(n) == "datetime.date" for n, v in values.items()):
        lines.append("import datetime")
    lines += [f"{_checked_name(name)} = {_literal(v, spelled.get(name) or 'date')}" for name, v in values.items()]
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {"tags": [INJECTED_TAG], "jupyter": {"source_hidden": True}},
        "execution_count": None,
        "outputs": [],
        "source": "\n".join(lines),
    }
    if (made.get("nbformat", 4), made.get("nbformat_minor", 5)) >= (4, 5):
        cell["id"] = INJECTED_TAG
    made["cells"].insert(position + 1, cell)
    return made


def _checked_name(name: str) -> str:
    if not (isinstance(name, str) and name.isidentifier()):
        raise ParameterError("FL-P005", "Et parameternavn er ikke et lovligt navn i Python.")
    return name


def _literal(value: Value, spelling: str) -> str:
    if isinstance(value, date):
        return f"{spelling}({value.year}, {value.month}, {value.day})"
    if value is None or type(value) in (str, int, bool):
        return repr(value)
    if type(value) is float and value - value == 0.0:  # neither nan nor infinite: their repr is a name, not a literal
        return repr(value)
    if type(value) is list and all(type(v) is str for v in value):
        return repr(value)
    raise ParameterError("FL-P005", "En parameterværdi er hverken tekst, tal, ja/nej, dato eller liste af tekst.")


def _parameter(d: Declaration) -> Parameter:
    label, colon, rest = d.comment.partition(":")
    return Parameter(
        name=d.name,
        kind=d.kind,
        default=d.default,
        label=label.strip() or d.name.replace("_", " ").capitalize(),
        help=rest.strip() if colon else "",
        choices=d.choices,
        optional=d.optional,
        required=not d.has_default,
        spelling=d.spelling,
    )


def _unknown(name: str, known: list[str]) -> str:
    shown = name if name.isidentifier() and len(name) <= 60 else "(ikke et lovligt navn)"
    if not known:
        return f"Notesbogen har ingen parametre, så '{shown}' kan ikke sættes."
    from difflib import get_close_matches  # only on the way to an error

    near = get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"; mente du '{near[0]}'?" if near else f"; den har {', '.join(known)}."
    return f"Notesbogen har ingen parameter '{shown}'{hint}"


def _tagged(notebook: Mapping[str, Any], tag: str) -> int | None:
    for position, cell in enumerate(notebook.get("cells", [])):
        if cell.get("cell_type") == "code" and tag in _tags(cell):
            return position
    return None


def _tags(cell: Mapping[str, Any]) -> list[str]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
    return [t for t in tags if isinstance(t, str)] if isinstance(tags, list) else []


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(str(part) for part in source) if isinstance(source, list) else str(source)
