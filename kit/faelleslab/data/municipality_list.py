"""The 98 municipalities and, by date, the region each belongs to.

The list is a dated data file beside this module: from 1 January 2027 Region Hovedstaden and Region Sjælland are one.
"""

import csv
import datetime as dt
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FILE = "municipalities.csv"


@cache
def _rows() -> tuple[tuple[str, str, str, str, str], ...]:
    reader = csv.reader((files("faelleslab.data") / _FILE).read_text(encoding="utf-8").splitlines())
    next(reader)
    return tuple((code, name, region, start, end) for code, name, region, start, end in reader)


def municipalities(on: dt.date | None = None) -> "pd.DataFrame":
    """List the 98 municipalities with their region on a date.

    Parameters
    ----------
    on : datetime.date, optional
        Today when not given.

    Returns
    -------
    pandas.DataFrame, shape (98, 3)
        ``kommunekode`` (four digits, text), ``kommune`` and ``region``, by code.

    Examples
    --------
    >>> municipalities(dt.date(2020, 1, 1)).iloc[0].tolist()
    ['0101', 'København', 'Region Hovedstaden']
    """
    import pandas as pd

    day = (on or dt.date.today()).isoformat()
    valid = [row[:3] for row in _rows() if row[3] <= day and (not row[4] or day <= row[4])]
    return pd.DataFrame(valid, columns=["kommunekode", "kommune", "region"])


@cache
def names_by_code() -> dict[str, str]:
    """Give the municipalities' names by four-digit code."""
    return {code: name for code, name, *_ in _rows()}


def four_digits(code: str) -> str | None:
    """Give a municipality's code with four digits, from three or four; None when it is no municipality's.

    Examples
    --------
    >>> four_digits("751"), four_digits("0751"), four_digits("000")
    ('0751', '0751', None)
    """
    padded = code.strip().zfill(4)
    return padded if padded in names_by_code() else None
