"""Decide what each column holds and convert it, on whole columns and on distinct values where that is cheaper.

The order of the questions is the promise: what was quoted on purpose is text; what would lose something as a number
(leading zeros, CPR-like digits, more digits than 64 bits hold) is text; only then number, date, true/false; else text.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from faelleslab.data import dates, numbers
from faelleslab.data.formulas import FORMULA
from faelleslab.data.report import ColumnReport, pack

MISSING = ("", "..", ".", "-", "–", "—", "…")
# Missing only where the rest of the column is numbers, dates or true/false: as text they may be meant.
_MISSING_AMONG_NUMBERS = (
    "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A", "#I/T", "#NULL!", "#NUL!", "#DIVISION/0!",
    "#DIV/0!", "#VÆRDI!", "#VALUE!", "#REFERENCE!", "#REF!", "i/t", "I/T",
)  # fmt: skip
_CENSORED = r"(?i)^([<>≤≥]=?|under|færre end|mindre end|højst|over|mere end)\s*\d[\d.]*(,\d+)?$"
_TRUTH = {"SAND": True, "FALSK": False, "TRUE": True, "FALSE": False, "True": True, "False": False}
TOTALS = r"(?i)^(i alt|hele landet|total|totalt|sum|samlet|all denmark|.{1,60} i alt)$"
TEXT_DTYPE = pd.StringDtype("pyarrow", na_value=np.nan)
# A formula's first character with the apostrophe that `write_csv` puts in front of it.
ESCAPED = "^'" + FORMULA


@dataclass
class Column:
    """A column on its way from cells to values."""

    name: str
    place: int
    raw: Any
    quoted: np.ndarray
    trimmed: Any = None
    values: Any = None  # distinct values that are neither missing nor censored, plain
    codes: np.ndarray | None = None  # where each present row's value lies in `values`; None when `values` is by row
    missing: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    censored: np.ndarray | None = None
    kind: str = "text"
    marks: frozenset[int] = frozenset()
    evidence: numbers.NumberEvidence | None = None
    form: numbers.NumberForm | dates.DateForm | None = None
    note: str = ""
    why: str = ""

    @property
    def present(self) -> np.ndarray:
        """Rows that hold a value."""
        gone = self.missing if self.censored is None else self.missing | self.censored
        return ~gone


@dataclass(frozen=True)
class Wishes:
    """What the user decided instead of the guesses; None means guess."""

    missing: tuple[str, ...] = MISSING
    decimal: str | None = None
    thousands: str | None = None
    kinds: dict[str, str] = field(default_factory=dict)  # column -> "text", "number" or "date"
    quotes_mean_text: bool = True
    separator: str = ";"


def classify(column: Column, wishes: Wishes) -> None:
    """Decide a column's kind as far as its own cells allow; numbers wait for `numbers.decide`."""
    column.trimmed = pc.utf8_trim_whitespace(column.raw)
    distinct, codes = _distinct(column.trimmed)
    in_marks = _by_row(pc.is_in(distinct, pa.array(wishes.missing, pa.large_string())), codes)
    column.missing = in_marks
    wish = wishes.kinds.get(column.name)
    if wish == "text":
        column.kind, column.why = "text", "valgt af dig"
    elif wish is None and _quoted_on_purpose(column, wishes):
        column.kind, column.why = "text", "står i citationstegn"
    else:
        _look_inside(column, distinct, codes, wish)
    if column.kind == "text":
        column.missing = _missing_in_text(column, in_marks, wishes)
        if column.missing.all() and wish != "text":
            column.kind = "empty"


def _missing_in_text(column: Column, in_marks: np.ndarray, wishes: Wishes) -> np.ndarray:
    """A quoted `..` or an empty pair of quotation marks is a text someone meant."""
    return in_marks & ~column.quoted if wishes.quotes_mean_text else in_marks


def _distinct(cells: Any) -> tuple[Any, np.ndarray | None]:
    """Give distinct cells and each row's place among them, when there are few; else the cells themselves."""
    head = cells.slice(0, 4096)
    if len(cells) > 64 and len(head.unique()) * 10 > len(head) * 9:
        return cells, None
    encoded = cells.dictionary_encode()
    if len(encoded.dictionary) * 2 > len(cells) > 64:
        return cells, None
    return encoded.dictionary, np.asarray(encoded.indices)


def _by_row(flags: Any, codes: np.ndarray | None) -> np.ndarray:
    flat = np.asarray(flags.to_numpy(zero_copy_only=False), dtype=bool)
    return flat if codes is None else flat[codes]


def _quoted_on_purpose(column: Column, wishes: Wishes) -> bool:
    if not wishes.quotes_mean_text or not column.quoted.any():
        return False
    if not (column.quoted | column.missing).all():
        return False
    if wishes.separator != ",":
        return True
    # In a comma file a decimal comma has to be quoted, so that quoting alone says nothing.
    quoted = column.raw.filter(pa.array(column.quoted))
    return not pc.all(pc.match_substring(quoted, ",")).as_py()


def _look_inside(column: Column, distinct: Any, codes: np.ndarray | None, wish: str | None) -> None:
    """Set `kind`, `values`, `codes`, `censored` from the distinct trimmed cells."""
    keep = ~column.missing if codes is None else np.isin(np.arange(len(distinct)), codes[~column.missing])
    if not keep.any():
        return
    marks = _marks(distinct)
    hidden = np.zeros(len(distinct), dtype=bool)
    if wish != "date" and _has_letters(marks):
        found = np.asarray(pc.match_substring_regex(distinct, _CENSORED).to_numpy(zero_copy_only=False), dtype=bool)
        hidden = found & keep
    also = np.zeros(len(distinct), dtype=bool)
    if _has_letters(marks):
        known = pa.array(_MISSING_AMONG_NUMBERS, pa.large_string())
        also = np.asarray(pc.is_in(distinct, known).to_numpy(zero_copy_only=False), dtype=bool) & keep
    inner = keep & ~hidden & ~also
    values = distinct.filter(pa.array(inner)) if not inner.all() else distinct
    if not _settle(column, values, wish, hidden=bool(hidden.any())):
        if len(values) and not wish:
            _near_miss(column, distinct, codes, inner)
        return
    expand: Callable[[np.ndarray], np.ndarray] = (
        (lambda flags: flags) if codes is None else (lambda flags: flags[codes])
    )
    column.censored = expand(hidden) if hidden.any() else None
    if also.any():
        column.missing = column.missing | expand(also)
    if codes is not None:
        place = np.cumsum(inner) - 1
        column.codes = place[codes[column.present]]


def _marks(values: Any) -> frozenset[int]:
    """Give the bytes that occur in the cells."""
    _, bounds, content = values.buffers()
    if content is None:
        return frozenset()
    ends = np.frombuffer(bounds, dtype=np.int64)[values.offset : values.offset + len(values) + 1]
    data = np.frombuffer(content, dtype=np.uint8)[ends[0] : ends[-1]]
    return frozenset(np.flatnonzero(np.bincount(data, minlength=256)).tolist())


def _has_letters(marks: frozenset[int]) -> bool:
    return any(mark >= 60 or mark in b"#" for mark in marks)


def _settle(column: Column, values: Any, wish: str | None, *, hidden: bool) -> bool:
    """Recognise numbers, dates and true/false; False when the column is text."""
    column.marks = _marks(values)
    if len(values) == 0:
        # Nothing but hidden figures is still a column of figures.
        column.kind, column.values = ("number", values) if hidden else ("text", None)
        column.evidence = numbers.NumberEvidence({})
        return hidden
    if wish != "number" and (form := dates.recognise(values, column.marks)) and not hidden:
        try:
            dates.convert(values, form)
        except pa.ArrowInvalid:
            column.note = "ligner datoer, men nogle findes ikke i kalenderen"
            return False
        column.kind, column.form, column.values = "date", form, values
        return True
    if wish != "date" and _is_number(column, values, wish):
        return True
    if wish is None and not hidden and pc.all(pc.is_in(values, pa.array(list(_TRUTH), pa.large_string()))).as_py():
        column.kind, column.values = "truth", values
        return True
    return False


def _is_number(column: Column, values: Any, wish: str | None) -> bool:
    plain = numbers.plain(values, column.marks)
    marks = _marks(plain) if plain is not values else column.marks
    if not marks & frozenset(b"0123456789"):
        return False
    evidence = numbers.gather(plain, marks)
    if evidence is None:
        return False
    if wish is None and ord("0") in marks and numbers.has_leading_zero(plain):
        column.why = "foranstillede nuller"
        return False
    if wish is None and numbers.all_like_cpr(plain):
        column.why = "ti cifre som et CPR-nummer"
        return False
    column.kind, column.evidence, column.values = "number", evidence, plain
    return True


def _near_miss(column: Column, distinct: Any, codes: np.ndarray | None, inner: np.ndarray) -> None:
    """Say how many cells keep a column from being numbers, when they are few."""
    like = np.asarray(
        pc.match_substring_regex(distinct, numbers.LIKE_A_NUMBER).to_numpy(zero_copy_only=False), dtype=bool
    )
    if not like.any() or column.why or column.note:
        return
    other = inner & ~like
    by_row = other if codes is None else other[codes]
    count = int(np.count_nonzero(by_row))
    if 0 < count * 5 < len(by_row):
        column.note = f"ligner tal, men {count} celler er tekst"


def convert(column: Column, file_says: str | None, wishes: Wishes) -> Any:
    """Turn a classified column into a pandas array, and leave its form and notes on the column."""
    if column.kind == "number":
        converted = _numbers(column, file_says, wishes)
        if converted is not None:
            return converted
        column.kind, column.censored, column.form = "text", None, None
        in_marks = _by_row(pc.is_in(column.trimmed, pa.array(wishes.missing, pa.large_string())), None)
        column.missing = _missing_in_text(column, in_marks, wishes)
    if column.kind == "date":
        form = column.form
        assert isinstance(form, dates.DateForm)  # noqa: S101 - narrows the type
        moments = _spread(column, dates.convert(column.values, form), np.datetime64("NaT", "us"))
        return pd.Series(moments).dt.tz_localize("UTC").array if form.order == "zone" else moments
    if column.kind == "truth":
        return _truths(column)
    if column.kind == "empty":
        return np.full(len(column.raw), np.nan)
    return _text(column, wishes)


def _numbers(column: Column, file_says: str | None, wishes: Wishes) -> Any:
    assert column.evidence is not None  # noqa: S101 - narrows the type
    form = _number_form(column.evidence, file_says, wishes)
    if form is None:
        column.note = "både decimalkomma og decimalpunkt: læst som tekst"
        return None
    try:
        values = numbers.to_numpy(numbers.convert(column.values, form))
    except pa.ArrowInvalid:
        column.note = "tal med flere cifre, end der er plads til: læst som tekst"
        return None
    column.form = form
    if form.fractional:
        return _spread(column, values.astype(np.float64), np.float64("nan"))
    whole = _spread(column, values.astype(np.int64), np.int64(0))
    absent = ~column.present
    return pd.arrays.IntegerArray(whole, absent) if absent.any() else whole


def _number_form(evidence: numbers.NumberEvidence, file_says: str | None, wishes: Wishes) -> numbers.NumberForm | None:
    if wishes.decimal is None and wishes.thousands is None:
        return numbers.decide(evidence, file_says)
    decimal = wishes.decimal or ("," if wishes.thousands != "," else ".")
    contradicts = evidence.english if decimal == "," else evidence.danish
    return None if contradicts else numbers.written_with(evidence, decimal, wishes.thousands)


def _spread(column: Column, values: np.ndarray, absent: Any) -> np.ndarray:
    """Put the values of the present rows in their places."""
    if column.codes is not None:
        values = values[column.codes]
    present = column.present
    if present.all():
        return values
    out = np.full(len(present), absent, dtype=values.dtype)
    out[present] = values
    return out


def _truths(column: Column) -> Any:
    values = np.array([_TRUTH[value] for value in column.values.to_pylist()], dtype=bool)
    spread = _spread(column, values, np.False_)
    absent = ~column.present
    return pd.arrays.BooleanArray(spread, absent) if absent.any() else spread


def _text(column: Column, wishes: Wishes) -> Any:
    if wishes.quotes_mean_text and column.quoted.any():
        quoted = pa.array(column.quoted)
        cells = pc.if_else(quoted, column.raw, column.trimmed)
        escaped = pc.and_(quoted, pc.match_substring_regex(cells, ESCAPED))
        if pc.any(escaped).as_py():
            cells = pc.if_else(escaped, pc.utf8_slice_codeunits(cells, 1), cells)
    else:
        cells = column.trimmed
    if column.missing.any():
        cells = pc.if_else(pa.array(column.missing), pa.scalar(None, pa.large_string()), cells)
    from_arrow: Any = TEXT_DTYPE
    return from_arrow.__from_arrow__(cells)


def total_rows(column: Column) -> np.ndarray:
    """Say which rows are totals by this column; a column with nothing else has none."""
    if column.kind != "text":
        return np.zeros(len(column.raw), dtype=bool)
    distinct, codes = _distinct(column.trimmed)
    found = _by_row(pc.match_substring_regex(distinct, TOTALS), codes)
    return found if not found.all() else np.zeros(len(found), dtype=bool)


def describe(column: Column, totals: int) -> ColumnReport:
    """Give the report's line about a converted column."""
    kind, form, ambiguous = "tekst", column.why, False
    if isinstance(column.form, dates.DateForm):
        kind, form, ambiguous = "dato", column.form.shown, column.form.ambiguous
    elif isinstance(column.form, numbers.NumberForm):
        kind, form, ambiguous = *_number_words(column.form), column.form.ambiguous
    elif column.kind != "text":
        kind = {"truth": "sand/falsk", "empty": "tom"}[column.kind]
    hidden = column.censored
    return ColumnReport(
        name=column.name,
        place=column.place,
        kind=kind,
        form=form,
        missing=int(np.count_nonzero(column.missing)),
        censored=0 if hidden is None else int(np.count_nonzero(hidden)),
        totals=totals,
        ambiguous=ambiguous,
        note=column.note,
        censored_rows="" if hidden is None else pack(hidden),
    )


def _number_words(form: numbers.NumberForm) -> tuple[str, str]:
    marks = {",": "komma", ".": "punktum", " ": "mellemrum"}
    words = []
    if form.fractional:
        words.append("decimalkomma" if form.decimal == "," else "decimalpunkt")
    if form.thousands:
        words.append(f"{marks[form.thousands]} som tusindtal")
    return ("decimaltal" if form.fractional else "heltal"), ", ".join(words)
