"""`write_excel`: a workbook with real dates and numbers, text that stays text, and a sheet about the source."""

import datetime as dt
import os
import re
from typing import Any

import numpy as np
import pandas as pd

from faelleslab.data.atomic import replaced
from faelleslab.data.provenance import source_of
from faelleslab.data.writing import plain_frame
from faelleslab.errors import DataError

MAX_ROWS, MAX_COLUMNS, MAX_TEXT = 1_048_575, 16_384, 32_767
_EXACT = 2**53  # Excel keeps 15 digits; a larger whole number would be changed
_ABOUT = "Om data"
_BAD_IN_SHEET_NAME = re.compile(r"[\[\]:*?/\\]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FIRST_DAY = np.datetime64("1900-03-01")  # before it Excel counts a leap day that never was


def write_excel(
    df: pd.DataFrame, path: str | os.PathLike[str], *, sheet: str = "Data", source: str | None = None
) -> None:
    """Write a table as an Excel workbook.

    Parameters
    ----------
    df : pandas.DataFrame
        An index with a name is written as columns, any other is left out.
    path : str or path
        The file, usually ending in .xlsx; replaced whole or not at all.
    sheet : str
        The sheet's name, at most 31 characters.
    source : str, optional
        What the sheet "Om data" says; the table's own source when not given.

    Raises
    ------
    DataError
        FL-D030: the file cannot be written. FL-D031: the table has no room in Excel.

    Notes
    -----
    The header is frozen and has filters. Text such as "0751" or "=1+1" is stored as text and never as a number or a
    formula. Numbers of more than 15 digits, and dates before March 1900, are stored as
    text, since Excel would change them.
    """
    import xlsxwriter

    frame = plain_frame(df, for_text=False)
    if len(frame) > MAX_ROWS or frame.shape[1] > MAX_COLUMNS:
        raise DataError(
            "FL-D031",
            f"Tabellen har {len(frame)} rækker og {frame.shape[1]} kolonner. "
            f"Excel har plads til {MAX_ROWS} og {MAX_COLUMNS}.",
            remedy="Gem færre rækker, eller brug write_csv eller write_parquet.",
        )
    name = _BAD_IN_SHEET_NAME.sub(" ", sheet).strip(" '")[:31] or "Data"
    about = source if source is not None else source_of(df, details=True)
    columns = [_cells(frame.iloc[:, place]) for place in range(frame.shape[1])]
    with replaced(path) as temporary:
        options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
        book = xlsxwriter.Workbook(temporary, options)
        _write_table(book, book.add_worksheet(name), list(frame.columns), columns, len(frame))
        _write_about(
            book, book.add_worksheet(_ABOUT if name.casefold() != _ABOUT.casefold() else "Kilde"), about, len(frame)
        )
        book.close()


def _cells(column: pd.Series) -> tuple[str, list[Any]]:
    """Give a column's number format and its cells; None where one is missing."""
    missing = column.isna().to_numpy()
    kind = column.dtype
    found: list[Any]
    if pd.api.types.is_bool_dtype(kind):
        shape, found = "", [bool(value) for value in column.fillna(False)]
    elif pd.api.types.is_integer_dtype(kind):
        shape = "0"
        found = [value if abs(value) < _EXACT else str(value) for value in column.fillna(0).tolist()]
    elif pd.api.types.is_float_dtype(kind):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        missing = missing | ~np.isfinite(values)
        shape, found = "", values.tolist()
    elif pd.api.types.is_datetime64_any_dtype(kind):
        shape, found = _moments(column, missing)
    else:
        shape, found = "@", [_text(value) for value in column.where(~column.isna(), "").tolist()]
    return shape, [None if gone else cell for gone, cell in zip(missing.tolist(), found, strict=True)]


def _moments(column: pd.Series, missing: np.ndarray) -> tuple[str, list[Any]]:
    """Give dates as Excel holds them, in Danish time where they have a zone."""
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert("Europe/Copenhagen").dt.tz_localize(None)
    moments = np.where(missing, np.datetime64("2000-01-01"), column.to_numpy().astype("datetime64[us]"))
    whole = (moments == moments.astype("datetime64[D]")).all()
    found: list[Any] = []
    for moment in moments:
        if moment < _FIRST_DAY or moment >= np.datetime64("10000-01-01"):
            found.append(np.datetime_as_string(moment, unit="D" if whole else "s"))
        else:
            found.append(moment.astype(dt.datetime))
    return ("dd-mm-yyyy" if whole else "dd-mm-yyyy hh:mm:ss"), found


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    if len(text) > MAX_TEXT:
        raise DataError(
            "FL-D031",
            f"En tekst er længere end de {MAX_TEXT} tegn, som Excel har plads til i en celle.",
            remedy="Forkort teksterne, eller brug write_csv eller write_parquet.",
        )
    return _CONTROL.sub("", text)


def _write_table(book: Any, sheet: Any, names: list[str], columns: list[tuple[str, list[Any]]], rows: int) -> None:
    bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
    for place, (name, (shape, cells)) in enumerate(zip(names, columns, strict=True)):
        style = book.add_format({"num_format": shape}) if shape else None
        sheet.write_string(0, place, _text(name), bold)
        widest = max((len(str(cell)) for cell in cells[:500] if cell is not None), default=0)
        dates = shape.startswith("dd")
        sheet.set_column(place, place, min(max(len(name) + 3, len(shape) + 1 if dates else widest + 2, 8), 60), style)
        for row, cell in enumerate(cells, start=1):
            if cell is None:
                continue
            if isinstance(cell, str):
                sheet.write_string(row, place, cell, style if shape == "@" else None)
            elif isinstance(cell, bool):
                sheet.write_boolean(row, place, cell)
            elif isinstance(cell, dt.datetime):
                sheet.write_datetime(row, place, cell, style)
            else:
                sheet.write_number(row, place, cell, style)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, rows, len(names) - 1)


def _write_about(book: Any, sheet: Any, about: str, rows: int) -> None:
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    sheet.set_column(0, 0, 18, wrap)
    sheet.set_column(1, 1, 100, wrap)
    made = dt.datetime.now().astimezone().strftime("%d-%m-%Y %H:%M")
    lines = [("Gemt", made), ("Rækker", str(rows)), ("Lavet med", "Fælleslab")]
    lines += [("Kilde" if place == 0 else "", line) for place, line in enumerate(about.splitlines() or ["Ikke oplyst"])]
    for row, (label, text) in enumerate(lines):
        sheet.write_string(row, 0, label, wrap)
        sheet.write_string(row, 1, _text(text[:MAX_TEXT]), wrap)
