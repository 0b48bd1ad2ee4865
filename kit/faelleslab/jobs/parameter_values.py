"""Turns a given value, text or JSON, into a value of a parameter's kind, or says why not."""

import json
import re
from datetime import date
from typing import Any, Protocol

Value = str | int | float | bool | date | list[str] | None

LARGEST_INTEGER = 2**63 - 1
"""What a 64-bit column can hold; larger numbers are almost always a slip."""
LONGEST_TEXT = 1_048_576
"""Characters of one text value."""
LONGEST_LIST = 10_000

_YES = {"ja", "sand", "true", "1"}
_NO = {"nej", "falsk", "false", "0"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DANISH_DATE = re.compile(r"([0-9]{1,2})[-./]([0-9]{1,2})[-./]([0-9]{4})")


class Kind(Protocol):
    """What is asked of a parameter here."""

    @property
    def kind(self) -> str:
        """Name of the kind."""

    @property
    def choices(self) -> tuple[str | int, ...]:
        """The values of a choice."""

    @property
    def optional(self) -> bool:
        """Whether None is lawful."""


def typed_value(parameter: Kind, given: Any) -> tuple[Value, str]:
    """Read one given value by a parameter's kind.

    Parameters
    ----------
    parameter : Parameter
    given : str or JSON value
        Empty text means None for an optional parameter that is not a text; for a text it is the empty text.

    Returns
    -------
    value : Value
    rule : str
        Empty when all is well; else a Danish half sentence ("skal være et helt tal") that does not repeat the value.
    """
    if given is None or (given == "" and parameter.optional and parameter.kind not in ("text", "text_list")):
        return (None, "") if parameter.optional else (None, "skal have en værdi")
    return _READERS[parameter.kind](parameter, given)


def _text(_: Kind, given: Any) -> tuple[Value, str]:
    if type(given) is not str:
        return None, "skal være tekst (i en fil: i anførselstegn, så foranstillede nuller bliver stående)"
    if len(given) > LONGEST_TEXT:
        return None, f"må højst være {LONGEST_TEXT} tegn lang"
    return given, ""


def _integer(_: Kind, given: Any) -> tuple[Value, str]:
    if type(given) is str and _INTEGER.fullmatch(given.strip()):
        given = int(given)
    if type(given) is not int:
        return None, "skal være et helt tal"
    return (given, "") if abs(given) <= LARGEST_INTEGER else (None, "er et for stort tal")


def _decimal(_: Kind, given: Any) -> tuple[Value, str]:
    if type(given) is str and len(given) <= 400 and _DECIMAL.fullmatch(given.strip()):
        given = float(given.strip().replace(",", "."))
    if type(given) is int and abs(given) <= LARGEST_INTEGER:
        given = float(given)
    if type(given) is not float:
        return None, "skal være et tal, for eksempel 12,5 (uden punktum mellem tusinder)"
    return (given, "") if given - given == 0.0 else (None, "skal være et endeligt tal")


def _flag(_: Kind, given: Any) -> tuple[Value, str]:
    if type(given) is bool:
        return given, ""
    word = given.strip().lower() if type(given) is str else ""
    if word in _YES or word in _NO:
        return word in _YES, ""
    return None, "skal være ja eller nej"


def _date(_: Kind, given: Any) -> tuple[Value, str]:
    rule = "skal være en dato, for eksempel 2026-01-31 eller 31-01-2026"
    if type(given) is date:
        return given, ""
    if type(given) is not str:
        return None, rule
    if iso := _ISO_DATE.fullmatch(given.strip()):
        year, month, day = map(int, iso.groups())
    elif danish := _DANISH_DATE.fullmatch(given.strip()):
        day, month, year = map(int, danish.groups())
    else:
        return None, rule
    try:
        return date(year, month, day), ""
    except ValueError:
        return None, "skal være en dato, der findes"


def _choice(parameter: Kind, given: Any) -> tuple[Value, str]:
    for choice in parameter.choices:
        if type(given) in (str, int) and str(choice) == str(given):
            return choice, ""
    return None, "skal være et af: " + ", ".join(str(c) for c in parameter.choices)


def _text_list(parameter: Kind, given: Any) -> tuple[Value, str]:
    if type(given) is str:
        if given.lstrip().startswith("["):
            try:
                given = json.loads(given)
            except (ValueError, RecursionError):
                return None, 'skal være en liste, for eksempel ["a", "b"] eller a;b'
        else:
            given = [part.strip() for part in given.split(";")] if given.strip() else []
    if type(given) is not list or not all(type(v) is str for v in given):
        return None, 'skal være en liste af tekster, for eksempel ["a", "b"] eller a;b'
    if len(given) > LONGEST_LIST or sum(map(len, given)) > LONGEST_TEXT:
        return None, "er for lang"
    return list(given), ""


def _municipality(_: Kind, given: Any) -> tuple[Value, str]:
    if type(given) is str and given.strip() in municipality_names():
        return given.strip(), ""
    return None, "skal være koden på en af de 98 kommuner, fire cifre, for eksempel 0751"


def municipality_names() -> dict[str, str]:
    """Return the 98 municipalities' names by their four-digit code."""
    from faelleslab.data.municipality_list import names_by_code  # read only where a notebook asks for a municipality

    return names_by_code()


_READERS = {
    "text": _text,
    "integer": _integer,
    "decimal": _decimal,
    "flag": _flag,
    "date": _date,
    "choice": _choice,
    "text_list": _text_list,
    "municipality": _municipality,
}
