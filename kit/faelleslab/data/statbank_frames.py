"""Turn a StatBank answer into a table: codes as text, INDHOLD numeric, the period as a date."""

import itertools
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from faelleslab.data.municipality_list import four_digits
from faelleslab.data.selection import Chosen, Selection
from faelleslab.data.tokens import cut
from faelleslab.errors import DataError

VALUE = "INDHOLD"
_MISSING = ("", "..", ".", "-", "…")
_PERIOD = re.compile(r"(\d{4})(?:([KQMHU])(\d{1,2}))?")


def parse(body: bytes, table: str, info: dict[str, Any], chosen: Selection, *, whole: bool) -> pd.DataFrame:
    """Parse a CSV or BULK answer of codes.

    Parameters
    ----------
    body : bytes
    table : str
    info : dict
        The table's description.
    chosen : Selection
        What was asked.
    whole : bool
        The answer is BULK: rows it leaves out are put back.

    Returns
    -------
    pandas.DataFrame
        The asked variables' codes (`str`) in capitals, and INDHOLD (`Int64`, `int64` or `float64`).

    Raises
    ------
    DataError
        FL-D022: columns are missing, a line is cut off, a code was not asked for, or a value is no number.
    """
    try:
        cells = cut(body.removeprefix(b"\xef\xbb\xbf"), ";")
        body.decode()
    except (DataError, UnicodeDecodeError):
        raise _odd(table) from None
    width = int(cells.counts[0])
    names = [name.upper() for name in cells.text.slice(0, width).to_pylist()]
    wanted = [variable.id.upper() for variable in chosen.variables]
    if len(set(names)) != width or set(names) != {*wanted, VALUE} or not (cells.counts == width).all():
        raise _odd(table)
    columns = {}
    for name in (*wanted, VALUE):
        taken = cells.text.take(pa.array(cells.first[1:] + names.index(name)))
        columns[name] = pc.utf8_trim_whitespace(taken)
    frame = pd.DataFrame({name: columns[name].to_pandas(types_mapper=None) for name in wanted}).astype("str")
    for variable in chosen.variables:
        if not frame[variable.id.upper()].isin(variable.values).all():
            raise _odd(table)
    frame[VALUE] = _numbers(columns[VALUE], table)
    return _complete(frame, info, chosen) if whole else frame


def _numbers(cells: Any, table: str) -> Any:
    """Read the value column; StatBank has one decimal mark and never a thousands mark."""
    absent = pc.is_in(cells, pa.array(_MISSING, pa.large_string()))
    plain = pc.if_else(absent, pa.scalar(None, pa.large_string()), pc.replace_substring(cells, ",", "."))
    try:
        if pc.any(pc.match_substring(plain, ".")).as_py():
            return pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False)
        whole = pc.cast(plain, pa.int64())
    except pa.ArrowInvalid:
        raise _odd(table) from None
    if whole.null_count == 0:
        return whole.to_numpy(zero_copy_only=False)
    mask = np.asarray(absent.to_numpy(zero_copy_only=False), dtype=bool)
    return pd.arrays.IntegerArray(np.asarray(whole.fill_null(0)), mask)


def _complete(frame: pd.DataFrame, info: dict[str, Any], chosen: Selection) -> pd.DataFrame:
    """Put back the rows BULK leaves out: they hold the table's `suppressedDataValue`."""
    names = [variable.id.upper() for variable in chosen.variables]
    total = int(np.prod([len(variable.values) for variable in chosen.variables]))
    if len(frame) == total:
        return frame
    left_out = str(info.get("suppressedDataValue", "0"))
    every = pd.DataFrame(
        list(itertools.product(*(variable.values for variable in chosen.variables))), columns=names, dtype="str"
    )
    merged = every.merge(frame, on=names, how="left", indicator=True)
    if left_out.replace(",", ".").replace(".", "").isdigit():
        gone = merged.pop("_merge") == "left_only"
        merged.loc[gone, VALUE] = float(left_out.replace(",", "."))
        if pd.api.types.is_integer_dtype(frame[VALUE].dtype):
            merged[VALUE] = merged[VALUE].astype("Int64" if merged[VALUE].isna().any() else "int64")
        return merged
    return merged.drop(columns="_merge")


def present(frame: pd.DataFrame, chosen: Selection, *, values: str, municipality_codes: bool) -> pd.DataFrame:
    """Show texts for codes as asked, and add the period's date and the municipality code.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `parse`.
    chosen : Selection
    values : {"text", "code", "both"}
    municipality_codes : bool

    Returns
    -------
    pandas.DataFrame
    """
    out: dict[str, Any] = {}
    for variable in chosen.variables:
        name = variable.id.upper()
        codes = frame[name]
        if municipality_codes and variable.area:
            out["kommunekode"] = codes.map({code: four_digits(code) for code in variable.values}).astype("str")
        if values == "both" and not variable.time:
            out[f"{name}_KODE"] = codes
        out[name] = codes if values == "code" or variable.time else codes.map(variable.texts).astype("str")
        if variable.time:
            out["PERIODE"] = _starts(variable, codes)
    out[VALUE] = frame[VALUE].array
    return pd.DataFrame(out)


def _starts(variable: Chosen, codes: pd.Series) -> pd.Series:
    found = {code: start_of(code) for code in variable.values}
    return pd.to_datetime(codes.map(found), format="%Y-%m-%d").astype("datetime64[us]")


def start_of(period: str) -> str | None:
    """Give the first day of a StatBank period: year, quarter (K), month (M), half-year (H) or week (U).

    Examples
    --------
    >>> start_of("2020K2"), start_of("2020M11"), start_of("2019")
    ('2020-04-01', '2020-11-01', '2019-01-01')
    """
    import datetime as dt

    match = _PERIOD.fullmatch(period.strip())
    if match is None:
        return None
    year, kind, number = int(match[1]), match[2], int(match[3] or 1)
    try:
        if kind == "U":
            return dt.date.fromisocalendar(year, number, 1).isoformat()
        month = {None: 1, "K": 3 * number - 2, "Q": 3 * number - 2, "M": number, "H": 6 * number - 5}[kind]
        return dt.date(year, month, 1).isoformat()
    except ValueError:
        return None


def _odd(table: str) -> DataError:
    return DataError(
        "FL-D022",
        f"Statistikbanken svarede på {table.upper()}, men svaret ser ikke ud som ventet.",
        remedy="Prøv igen senere; bliver det ved, er tjenesten ændret, og faelleslab skal opdateres.",
    )
