"""Read Danish and English numbers, column by column, by evidence.

`1.234` is one thousand two hundred and thirty-four in one file and a bit over one in another. A column decides by its
own cells first, then by what the other columns of the file say, and only then by Danish custom; the last is called
ambiguous.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_EXPONENT = r"([eE][+-]?\d+)?"
# The classes exclude each other; a column is numeric when every cell is in one of them.
_SHAPES = {
    "integer": r"^[+-]?\d+$",
    "comma": rf"^[+-]?\d*,\d+{_EXPONENT}$",
    "point": rf"^[+-]?\d*\.\d+{_EXPONENT}$",
    "dots_only": r"^[+-]?[1-9]\d{0,2}(\.\d{3}){2,}$",
    "dots_comma": r"^[+-]?[1-9]\d{0,2}(\.\d{3})+,\d+$",
    "commas_only": r"^[+-]?[1-9]\d{0,2}(,\d{3}){2,}$",
    "commas_point": r"^[+-]?[1-9]\d{0,2}(,\d{3})+\.\d+$",
    "spaced": r"^[+-]?[1-9]\d{0,2}( \d{3})+$",
    "spaced_comma": r"^[+-]?[1-9]\d{0,2}( \d{3})+,\d+$",
    "exponent": r"^[+-]?\d+[eE][+-]\d+$",
}
_UNSURE_COMMA = r"^[+-]?[1-9]\d{0,2},\d{3}$"
_UNSURE_POINT = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"
_LEADING_ZERO = r"^[+-]?0\d"
_LONG_INTEGER = r"^[+-]?\d{4,}$"
CPR_SHAPE = r"^(0[1-9]|[12]\d|3[01]|6[1-9]|[78]\d|9[01])(0[1-9]|1[0-2])\d{6}$"
LIKE_A_NUMBER = r"^[+-]?\d[\d.,]*$"


@dataclass(frozen=True)
class NumberEvidence:
    """What the cells of one column say about how its numbers are written."""

    shapes: dict[str, int]
    unsure_comma: int = 0
    unsure_point: int = 0
    long_integers: bool = False

    @property
    def danish(self) -> bool:
        """Some cell can only be read with a decimal comma or a thousands dot."""
        has = self.shapes.get
        return bool(has("comma", 0) > self.unsure_comma or has("dots_only") or has("dots_comma") or has("spaced_comma"))

    @property
    def english(self) -> bool:
        """Some cell can only be read with a decimal point or a thousands comma."""
        has = self.shapes.get
        return bool(has("point", 0) > self.unsure_point or has("commas_only") or has("commas_point"))


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of one column are written."""

    decimal: str
    thousands: str | None
    fractional: bool
    ambiguous: bool = False


def gather(values: Any, marks: frozenset[int]) -> NumberEvidence | None:
    """Sort the cells of a column into the shapes of numbers; None when some cell is no number.

    Parameters
    ----------
    values : pyarrow.LargeStringArray
        Cells without missing values, plain (see `plain`).
    marks : frozenset of int
        The bytes that occur, so that shapes that cannot occur cost nothing.

    Returns
    -------
    NumberEvidence or None
    """
    total = len(values)
    shapes: dict[str, int] = {}
    found = 0
    for name, pattern in _SHAPES.items():
        if not _possible(name, marks):
            continue
        shapes[name] = _count(values, pattern)
        found += shapes[name]
        if found == total:
            break
    if found != total:
        return None
    evidence = NumberEvidence(shapes)
    if shapes.get("comma"):
        evidence = replace(evidence, unsure_comma=_count(values, _UNSURE_COMMA))
    if shapes.get("point"):
        evidence = replace(evidence, unsure_point=_count(values, _UNSURE_POINT))
    if evidence.unsure_comma or evidence.unsure_point:
        evidence = replace(evidence, long_integers=_count(values, _LONG_INTEGER) > 0)
    return evidence


def _possible(name: str, marks: frozenset[int]) -> bool:
    need = {"comma": ",", "point": ".", "exponent": "eE"}
    if name in need:
        return any(ord(mark) in marks for mark in need[name])
    parts = {"dots": ".", "comma": ",", "commas": ",", "point": ".", "spaced": " "}
    return all(ord(parts[part]) in marks for part in name.split("_") if part in parts)


def _count(values: Any, pattern: str) -> int:
    return pc.sum(pc.match_substring_regex(values, pattern)).as_py() or 0


def has_leading_zero(values: Any) -> bool:
    """Say whether some cell begins with a zero that a number would lose."""
    return _count(values, _LEADING_ZERO) > 0


def all_like_cpr(values: Any) -> bool:
    """Say whether every cell has ten digits that begin as a date (day + 60 counts, as in replacement numbers)."""
    return len(values) > 0 and _count(values, CPR_SHAPE) == len(values)


def decide(evidence: NumberEvidence, file_says: str | None) -> NumberForm | None:
    """Choose decimal and thousands mark of a column; None when its cells contradict each other.

    Parameters
    ----------
    evidence : NumberEvidence
    file_says : {",", ".", None}
        The decimal mark the other columns of the file speak for.

    Returns
    -------
    NumberForm or None
    """
    if evidence.danish and evidence.english:
        return None
    if evidence.danish:
        return _form(evidence, ",", ambiguous=False)
    if evidence.english:
        return _form(evidence, ".", ambiguous=False)
    if not (evidence.unsure_comma or evidence.unsure_point):
        return _form(evidence, file_says or ",", ambiguous=False)
    if evidence.long_integers and not (evidence.unsure_comma and evidence.unsure_point):
        # Four digits in a row elsewhere in the column: no thousands mark is in use, so the mark is the decimal mark.
        return _form(evidence, "," if evidence.unsure_comma else ".", ambiguous=False)
    return _form(evidence, file_says or ",", ambiguous=True)


def _form(evidence: NumberEvidence, decimal: str, *, ambiguous: bool) -> NumberForm:
    has = evidence.shapes.get
    fractional = {
        ",": bool(has("comma") or has("dots_comma")),
        ".": bool(has("point") or has("commas_point")),
    }[decimal]
    other = "." if decimal == "," else ","
    grouped = {
        ",": bool(has("dots_only") or has("dots_comma") or has("point")),
        ".": bool(has("commas_only") or has("commas_point") or has("comma")),
    }[decimal]
    spaced = bool(has("spaced") or has("spaced_comma"))
    thousands = other if grouped else " " if spaced else None
    return NumberForm(decimal, thousands, fractional or bool(has("exponent") or has("spaced_comma")), ambiguous)


def plain(values: Any, marks: frozenset[int]) -> Any:
    """Write signs and spaces as ASCII: NBSP as a space, U+2212 as a minus, a trailing minus in front."""
    if marks & {0xC2, 0xE2}:
        values = pc.replace_substring_regex(values, "[\u00a0\u202f\u2009]", " ")
        values = pc.replace_substring_regex(values, "[\u2212\u2013]", "-")
    if ord("-") in marks or 0xE2 in marks:
        values = pc.replace_substring_regex(values, r"^(\d[\d.,]*)-$", r"-\1")
    return values


def convert(values: Any, form: NumberForm) -> Any:
    """Turn plain cells into a pyarrow array of int64 or float64.

    Raises
    ------
    pyarrow.ArrowInvalid
        A cell does not fit (an integer over 64 bits, or a form chosen by the user that does not match).
    """
    other = "." if form.decimal == "," else ","
    for mark in (other, " "):
        values = pc.replace_substring(values, mark, "")
    values = pc.utf8_ltrim(values, "+")
    if form.fractional:
        return pc.cast(pc.replace_substring(values, ",", "."), pa.float64())
    return pc.cast(values, pa.int64())


def to_numpy(array: Any) -> np.ndarray:
    """Give a pyarrow array without missing values as numpy."""
    return np.asarray(array.to_numpy(zero_copy_only=False))


def written_with(evidence: NumberEvidence, decimal: str, thousands: str | None) -> NumberForm:
    """Give the form for the decimal mark the user chose."""
    form = _form(evidence, decimal, ambiguous=False)
    return replace(form, thousands=thousands or form.thousands)
