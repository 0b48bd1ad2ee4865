"""Read dates as they are written in Denmark, and as machines write them.

Day comes before month in every form with the year last; only slashes may speak for the American order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_TIME = r"(?:[T ](?:kl\. ?)?(\d{1,2})[:.](\d{2})(?:[:.](\d{2})([.,]\d{1,6})?)?)?"
_YEAR_LAST = r"^(\d{1,2})SEP(\d{1,2})SEP(\d{4})" + _TIME + "$"
_YEAR_FIRST = r"^(\d{4})-(\d{2})-(\d{2})" + _TIME + "$"
_WITH_ZONE = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})$"
_SEPARATORS = {"-": "-", ".": r"\.", "/": "/"}


@dataclass(frozen=True)
class DateForm:
    """How the dates of one column are written.

    `order` is "dmy", "mdy", "ymd" or "zone"; `shown` is the form in Danish letters, for the report.
    """

    order: str
    separator: str
    ambiguous: bool = False
    timed: bool = False

    @property
    def shown(self) -> str:
        """The form in Danish letters, such as dd-mm-åååå."""
        if self.order == "zone":
            return "åååå-mm-dd med tidszone (læst som UTC)"
        parts = {"d": "dd", "m": "mm", "y": "åååå"}
        return self.separator.join(parts[letter] for letter in self.order) + (" tt:mm" if self.timed else "")


def recognise(values: Any, marks: frozenset[int]) -> DateForm | None:
    """Say how the cells of a column are written as dates; None when some cell is no date.

    Parameters
    ----------
    values : pyarrow.LargeStringArray
        Cells without missing values.
    marks : frozenset of int
        The bytes that occur.

    Returns
    -------
    DateForm or None
    """
    head = values[0].as_py()
    if len(head) < 8 or len(head) > 40 or not head[0].isdigit():
        return None
    for mark, pattern in _SEPARATORS.items():
        if ord(mark) in marks and _all(values, _YEAR_LAST.replace("SEP", pattern)):
            return _day_or_month_first(values, mark, timed=len(head) > 10)
    if ord("-") in marks:
        if _all(values, _YEAR_FIRST):
            return DateForm("ymd", "-", timed=len(head) > 10)
        if _all(values, _WITH_ZONE):
            return DateForm("zone", "-")
    return None


def _all(values: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())


def _day_or_month_first(values: Any, mark: str, *, timed: bool) -> DateForm:
    if mark != "/":
        return DateForm("dmy", mark, timed=timed)
    day_first = bool(pc.any(pc.match_substring_regex(values, r"^(1[3-9]|2\d|3\d)/")).as_py())
    month_first = bool(pc.any(pc.match_substring_regex(values, r"^\d{1,2}/(1[3-9]|2\d|3\d)/")).as_py())
    if month_first and not day_first:
        return DateForm("mdy", mark, timed=timed)
    return DateForm("dmy", mark, ambiguous=not day_first, timed=timed)


def convert(values: Any, form: DateForm) -> np.ndarray:
    """Turn cells into datetime64[us]; with a time zone into UTC.

    Raises
    ------
    pyarrow.ArrowInvalid
        A cell is no day of the calendar or does not have this form.
    """
    if form.order == "zone":
        values = pc.replace_substring(pc.replace_substring_regex(values, "Z$", "+00:00"), ",", ".")
        # Arrow wants the colon in the offset.
        values = pc.replace_substring_regex(values, r"([+-]\d{2})(\d{2})$", r"\1:\2")
        return _numpy(pc.cast(values, pa.timestamp("us", tz="UTC")))
    places = {"dmy": (3, 2, 1), "mdy": (3, 1, 2), "ymd": (1, 2, 3)}[form.order]
    pattern = _YEAR_FIRST if form.order == "ymd" else _YEAR_LAST.replace("SEP", _SEPARATORS[form.separator])
    if not _all(values, pattern):
        raise pa.ArrowInvalid("form")
    iso = pc.replace_substring_regex(values, pattern, r"\{}-\{}-\{} \4:\5:\6\7".format(*places))
    iso = pc.replace_substring(pc.replace_substring_regex(iso, "[ :]+$", ""), ",", ".")
    short = pc.match_substring_regex(iso, r"-\d(-|$| )| \d:")
    if pc.any(short).as_py():
        iso = pc.replace_substring_regex(iso, r"-(\d)-", r"-0\1-")
        iso = pc.replace_substring_regex(iso, r"-(\d)( |$)", r"-0\1\2")
        iso = pc.replace_substring_regex(iso, r" (\d):", r" 0\1:")
    return _numpy(pc.cast(iso, pa.timestamp("us")))


def _numpy(array: Any) -> np.ndarray:
    return np.asarray(pc.cast(array, pa.int64()).to_numpy(zero_copy_only=False)).view("datetime64[us]")
