"""`write_csv` and `write_parquet`: a table leaves the workbench in the form its readers open without damage.

CSV is what Danish Excel expects: UTF-8 with a byte order mark, semicolons, decimal comma, CRLF, dd-mm-yyyy. Text cells
are always quoted and numbers never, which is how `read_csv` tells "0751" from 751: what is written comes back the same.
A text that a spreadsheet would take for a formula gets an apostrophe in front, which `read_csv` takes away again.
Excel itself drops leading zeros from any CSV; where that matters, use `write_excel`.
"""

import os
import re
from typing import Any

import numpy as np
import pandas as pd

from faelleslab.data.atomic import replaced
from faelleslab.data.formulas import FORMULA
from faelleslab.data.numbers import CPR_SHAPE
from faelleslab.errors import DataError

_FORMULA = re.compile(FORMULA)
_CPR = re.compile(CPR_SHAPE)
_NAME_NEEDS_QUOTES = re.compile(r"[;,\t|\"\r\n]|^\s|\s$|^'")
_BLOCK = 20_000


def write_csv(df: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    r"""Write a table as CSV for Danish Excel; `read_csv` gives the same table back.

    Parameters
    ----------
    df : pandas.DataFrame
        An index with a name is written as columns, any other is left out.
    path : str or path
        The file; replaced whole or not at all.

    Raises
    ------
    DataError
        FL-D030: the file cannot be written. FL-D031: the table has no form as CSV (no columns, names that are empty or
        doubled, infinite numbers, NUL characters, times finer than a microsecond).

    Notes
    -----
    A whole number that has the shape of a CPR number gets a plus sign, since ten such digits are read as text. Missing
    cells are empty; in a table of one column they are ``..``, so that no line is blank.
    """
    frame = plain_frame(df)
    absent = ".." if frame.shape[1] == 1 else ""
    cells = [_cells(frame.iloc[:, place], absent) for place in range(frame.shape[1])]
    with replaced(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        file.write(";".join(_header(str(name)) for name in frame.columns) + "\r\n")
        for start in range(0, len(frame), _BLOCK):
            block = zip(*(column[start : start + _BLOCK] for column in cells), strict=True)
            file.write("".join(";".join(row) + "\r\n" for row in block))


def write_parquet(df: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as Parquet for Power BI: types and missing cells are kept as they are.

    Parameters
    ----------
    df : pandas.DataFrame
        An index with a name is written as columns, any other is left out.
    path : str or path
        The file; replaced whole or not at all.

    Raises
    ------
    DataError
        FL-D030: the file cannot be written. FL-D031: a column holds values of several kinds.
    """
    import pyarrow as pa

    frame = plain_frame(df, for_text=False)
    with replaced(path) as temporary:
        try:
            frame.to_parquet(temporary, engine="pyarrow", index=False, compression="snappy")
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            raise DataError(
                "FL-D031",
                "Tabellen kan ikke gemmes som Parquet: en kolonne blander flere slags værdier.",
                remedy="Gør kolonnen ens, fx med df[kolonne].astype('str').",
            ) from None


def plain_frame(df: pd.DataFrame, *, for_text: bool = True) -> pd.DataFrame:
    """Give the table with a named index as columns and unique, non-empty names, or say why not.

    Parameters
    ----------
    df : pandas.DataFrame
    for_text : bool
        Also refuse what only text cannot hold.

    Returns
    -------
    pandas.DataFrame
        A copy only where something had to change.

    Raises
    ------
    DataError
        FL-D031.
    """
    frame = df.reset_index() if any(name is not None for name in df.index.names) else df
    if frame.columns.nlevels > 1:
        raise _unfit("Tabellen har overskrifter i flere lag.", "Gør dem til ét navn pr. kolonne.")
    names = [str(name) for name in frame.columns]
    if not names:
        raise _unfit("Tabellen har ingen kolonner.", "Vælg mindst én kolonne.")
    if len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise _unfit("Tabellen har kolonner uden navn eller med samme navn.", "Giv hver kolonne sit navn.")
    if for_text and any("\x00" in name or _unspeakable(name) for name in names):
        raise _unfit("Et kolonnenavn har tegn, der ikke kan skrives i en tekstfil.", "Ret navnet.")
    if not all(isinstance(name, str) for name in frame.columns):
        frame = frame.set_axis(names, axis="columns")
    return frame


def _unfit(what: str, remedy: str) -> DataError:
    return DataError("FL-D031", what, remedy=remedy)


def _unspeakable(text: str) -> bool:
    """Say whether a text has half a character (a lone surrogate), which no encoding can write."""
    return any("\ud800" <= letter <= "\udfff" for letter in text) if not text.isascii() else False


def _header(name: str) -> str:
    safe = "'" + name if _FORMULA.match(name) else name
    return _quoted(safe) if safe != name or _NAME_NEEDS_QUOTES.search(name) else safe


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _cells(column: pd.Series, absent: str) -> list[str]:
    """Turn a column into cells ready to be joined."""
    missing = column.isna().to_numpy()
    kind = column.dtype
    if pd.api.types.is_bool_dtype(kind):
        found: Any = np.where(column.fillna(False).to_numpy(dtype=bool), "SAND", "FALSK").tolist()
    elif pd.api.types.is_integer_dtype(kind):
        found = _integers(column, missing)
    elif pd.api.types.is_float_dtype(kind):
        found = _decimals(column)
    elif pd.api.types.is_datetime64_any_dtype(kind):
        found = _moments(column, missing)
    else:
        return _texts(column, missing, absent)
    return (
        [absent if gone else cell for gone, cell in zip(missing.tolist(), found, strict=True)]
        if missing.any()
        else found
    )


def _integers(column: pd.Series, missing: np.ndarray) -> list[str]:
    found = [str(value) for value in column.fillna(0).tolist()]
    present = [cell for gone, cell in zip(missing.tolist(), found, strict=True) if not gone]
    if present and all(_CPR.match(cell) for cell in present):
        return ["+" + cell for cell in found]
    return found


def _decimals(column: pd.Series) -> list[str]:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        raise _unfit(
            "Tabellen har uendelige tal (typisk en division med nul).",
            "Erstat dem, fx med df.replace([float('inf'), float('-inf')], float('nan')).",
        )
    return [repr(value).replace(".", ",") for value in values.tolist()]


def _moments(column: pd.Series, missing: np.ndarray) -> list[str]:
    zone = getattr(column.dtype, "tz", None)
    naive = column.dt.tz_convert("UTC").dt.tz_localize(None) if zone is not None else column
    exact = naive.to_numpy()
    micro = exact.astype("datetime64[us]")
    # Dates that text has no room for: finer than microseconds, or a year without four digits.
    years = micro.astype("datetime64[Y]")[~missing].astype(np.int64) + 1970
    if (micro.astype(exact.dtype) != exact)[~missing].any() or ((years < 1) | (years > 9999)).any():
        raise _unfit(
            "Tabellen har tidspunkter, der er finere end en milliontedel sekund eller uden for år 1-9999.",
            "Afrund dem, fx med df[kolonne].dt.round('s').",
        )
    iso = np.datetime_as_string(np.where(missing, np.datetime64(0, "us"), micro), unit="us").tolist()
    if zone is not None:
        return [f"{one}Z" for one in iso]
    if all(one.endswith("T00:00:00.000000") for one in iso):
        end = 0
    elif all(one.endswith(":00.000000") for one in iso):
        end = 16
    else:
        end = 19 if all(one.endswith(".000000") for one in iso) else 26
    return [f"{one[8:10]}-{one[5:7]}-{one[:4]}" + (f" {one[11:end]}" if end else "") for one in iso]


def _texts(column: pd.Series, missing: np.ndarray, absent: str) -> list[str]:
    found = []
    for gone, value in zip(missing.tolist(), column.tolist(), strict=True):
        if gone:
            found.append(absent)
            continue
        text = value if isinstance(value, str) else str(value)
        if "\x00" in text or _unspeakable(text):
            raise _unfit("En tekstcelle har tegn, der ikke kan skrives i en tekstfil.", "Ryd op i kolonnen først.")
        found.append(_quoted("'" + text if _FORMULA.match(text) else text))
    return found
