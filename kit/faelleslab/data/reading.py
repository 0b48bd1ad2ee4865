"""`read_csv`: a Danish municipal file becomes a table, with a report of everything that was guessed.

Nothing is lost silently: a line that does not fit is an error with its number, a hidden figure (`<10`) is missing and
flagged, and what could be read in two ways is called ambiguous. No message holds a cell's value.
"""

import hashlib
import io
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from faelleslab.data import columns, layout, numbers
from faelleslab.data.encoding import Decoded, decode
from faelleslab.data.formulas import FORMULA
from faelleslab.data.provenance import record_read
from faelleslab.data.report import ATTRS, LOOKS_LIKE_A_VALUE, Guess, ReadReport, shown_name
from faelleslab.data.tokens import Cells, cut
from faelleslab.errors import DataError

_NAME_NEEDS_QUOTES = re.compile(rf"[;,\t|\"\r\n]|^\s|\s$|^{FORMULA}")

Source = str | os.PathLike[str] | bytes | BinaryIO | TextIO


def read_csv(
    source: Source,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    encoding: str | None = None,
    quote: str | None = '"',
    header: bool = True,
    header_line: int | None = None,
    text_columns: Iterable[str] = (),
    number_columns: Iterable[str] = (),
    date_columns: Iterable[str] = (),
    missing: Iterable[str] | None = None,
    drop_totals: bool = False,
    report: bool = False,
    name: str | None = None,
) -> pd.DataFrame:
    r"""Read a Danish municipal CSV file and report what was guessed.

    Parameters
    ----------
    source : str, path, bytes or file object
        The file. A `str` is a path.
    separator, decimal, thousands : str, optional
        One character each; guessed when not given. `thousands` may be a dot, a comma or a space.
    encoding : str, optional
        Such as "cp1252"; guessed when not given.
    quote : str or None
        The quotation mark; None reads quotation marks as text.
    header, header_line : bool, int
        Whether there are column names, and on which line of the file (from 1).
    text_columns, number_columns, date_columns : iterable of str
        Columns whose kind is not to be guessed. Dates are read with the day first unless the year is.
    missing : iterable of str, optional
        The cells that mean missing, instead of an empty cell, ``..``, ``.``, ``-``, ``–``, ``—`` and ``…``.
    drop_totals : bool
        Leave out rows such as "I alt" and "Hele landet".
    report : bool
        Print the report.
    name : str, optional
        The name shown in reports; the file's own by default.

    Returns
    -------
    pandas.DataFrame
        Text is `str`, whole numbers `int64` (`Int64` where some are missing), decimals `float64`, dates
        `datetime64[us]`. `read_report(df)` gives the `ReadReport`.

    Raises
    ------
    DataError
        FL-D001 to FL-D012: the file is missing, is no text, is ragged, or a choice does not fit it.

    Examples
    --------
    >>> table = read_csv(b"kommunekode;antal;pris\r\n0751;1.200;2,5\r\n0461;<5;..\r\n")
    >>> table["kommunekode"].tolist()
    ['0751', '0461']
    """
    raw, shown = _bytes_of(source, name)
    decoded = decode(raw, encoding)
    mark = _separator(decoded, separator)
    _check_mark(quote, "quote")
    cells = cut(decoded.utf8, mark.mark, quote)
    table = layout.find_table(cells, header_line, header=header)
    names, renamed = _names(cells, table)
    wishes = _wishes(names, separator=mark.mark, decimal=decimal, thousands=thousands, missing=missing,
                     text=text_columns, number=number_columns, date=date_columns,
                     quotes_mean_text=_quotes_mean_text(cells, table))  # fmt: skip
    found = _columns(cells, table, names)
    for column in found:
        columns.classify(column, wishes)
        _check_wish(column, wishes, cells, table)
    file_says = decimal or _file_says(found)
    values = {column.name: columns.convert(column, file_says, wishes) for column in found}
    for column in found:
        _check_wish(column, wishes, cells, table)
    totals = [columns.total_rows(column) for column in found]
    any_total = np.any(totals, axis=0) if totals else np.zeros(len(table.rows), dtype=bool)
    frame = pd.DataFrame(values, columns=names, copy=False)
    if drop_totals and any_total.any():
        frame = frame[~any_total].reset_index(drop=True)
        for column in found:
            column.missing = column.missing[~any_total]
            column.censored = column.censored[~any_total] if column.censored is not None else None
    n_totals = int(np.count_nonzero(any_total))
    written = ReadReport(
        name=shown,
        bytes=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        rows=len(frame),
        columns=tuple(columns.describe(c, int(np.count_nonzero(t))) for c, t in zip(found, totals, strict=True)),
        guesses=_guesses(decoded, mark, cells, table, given=(encoding, separator, header_line), file_says=file_says),
        lines_above=table.above,
        lines_below=table.below,
        totals=n_totals,
        totals_dropped=n_totals if drop_totals else 0,
        notes=(*decoded.notes, *renamed, *_table_notes(table, wishes, names)),
    )
    frame.attrs[ATTRS] = {"report": written.to_text()}
    record_read(shown, written.sha256)
    if report:
        sys.stdout.write(f"{written}\n")
    return frame


def _bytes_of(source: Source, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), name or "data"
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            return path.read_bytes(), name or path.name
        except (OSError, ValueError):
            why = "findes ikke" if not os.path.lexists(path) else "er en mappe" if path.is_dir() else "kan ikke åbnes"
            raise DataError(
                "FL-D001", f"Filen {path.name!r} {why}.", remedy="Tjek stien, og om du har adgang til filen."
            ) from None
        except UnicodeError:
            raise DataError("FL-D001", "Filnavnet er ugyldigt.", remedy="Tjek stien.") from None
    read = getattr(source, "read", None)
    if read is None:
        raise DataError("FL-D001", "Der er ikke givet en fil.", remedy="Giv en sti, bytes eller en åben fil.")
    content = read()
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    if isinstance(source, io.BytesIO | io.StringIO):
        return bytes(content), name or "data"
    label = getattr(source, "name", None)
    return bytes(content), name or (Path(label).name if isinstance(label, str) else "data")


def _separator(decoded: Decoded, separator: str | None) -> layout.Separator:
    if separator is None:
        return layout.guess_separator(decoded.utf8)
    _check_mark(separator, "separator")
    return layout.Separator(separator, "valgt af dig", certain=True)


def _check_mark(mark: str | None, option: str) -> None:
    if mark is not None and (len(mark) != 1 or not mark.isascii() or mark in "\r\n\x00" or mark.isalnum()):
        raise DataError(
            "FL-D011", f"{option} skal være ét almindeligt tegn.", remedy=f"Giv fx {option}=';', eller udelad det."
        )


def _names(cells: Cells, table: layout.Table) -> tuple[list[str], tuple[str, ...]]:
    """Give unique, non-empty column names, and notes about those that were not."""
    if table.header is None:
        return [f"Kolonne {place}" for place in range(1, table.width + 1)], ()
    start = int(cells.first[table.header])
    given = cells.text.slice(start, table.width).to_pylist()
    plain = []
    for place, text in enumerate(given):
        quoted = bool(cells.quoted[start + place])
        text = text if quoted else text.strip()
        plain.append(text[1:] if quoted and re.match("'" + FORMULA, text) else text)
    taken: set[str] = set(plain)
    seen: dict[str, int] = {}
    names: list[str] = []
    for place, text in enumerate(plain, start=1):
        base = text or f"Kolonne {place}"
        label = base
        while label in seen or (label != text and label in taken):
            seen[base] = seen.get(base, 1) + 1
            label = f"{base} ({seen[base]})"
        seen[label] = seen.get(label, 1)
        names.append(label)
    notes = []
    if "" in taken:
        notes.append(f"{plain.count('')} kolonner uden navn har fået et (fx Kolonne 1).")
    doubles = len(plain) - len(taken) - max(plain.count("") - 1, 0)
    if doubles:
        notes.append(f"{doubles} kolonnenavne står flere gange og har fået et nummer.")
    return names, tuple(notes)


def _wishes(
    names: list[str],
    *,
    separator: str,
    decimal: str | None,
    thousands: str | None,
    missing: Iterable[str] | None,
    text: Iterable[str],
    number: Iterable[str],
    date: Iterable[str],
    quotes_mean_text: bool,
) -> columns.Wishes:
    if decimal not in (None, ",", ".") or thousands not in (None, ",", ".", " ") or (decimal and decimal == thousands):
        raise DataError(
            "FL-D011",
            "decimal skal være ',' eller '.', og thousands et andet tegn: '.', ',' eller mellemrum.",
            remedy="Udelad dem, så gættes de.",
        )
    kinds: dict[str, str] = {}
    for kind, wanted in (("text", text), ("number", number), ("date", date)):
        for one in [wanted] if isinstance(wanted, str) else wanted:
            if one not in names:
                raise DataError(
                    "FL-D009",
                    f"Filen har ingen kolonne med det navn, der er givet i {kind}_columns.",
                    remedy="Navnene står i tabellens columns; store og små bogstaver betyder noget.",
                )
            kinds[one] = kind
    marks = columns.MISSING if missing is None else tuple({"", *([missing] if isinstance(missing, str) else missing)})
    return columns.Wishes(marks, decimal, thousands, kinds, quotes_mean_text, separator)


def _quotes_mean_text(cells: Cells, table: layout.Table) -> bool:
    """Say whether quotation marks tell text from numbers; not in a file where simply everything is quoted."""
    if not cells.quoted.any():
        return True
    if table.header is not None:
        start = int(cells.first[table.header])
        head = cells.text.slice(start, table.width).to_pylist()
        quoted = cells.quoted[start : start + table.width]
        if not any(q and not _NAME_NEEDS_QUOTES.search(text) for q, text in zip(quoted, head, strict=True)):
            return True
    firsts = cells.first[table.rows]
    return not all(cells.quoted[firsts + place].all() for place in range(table.width))


def _columns(cells: Cells, table: layout.Table, names: list[str]) -> list[columns.Column]:
    firsts = cells.first[table.rows]
    found = []
    for place, label in enumerate(names):
        where = firsts + place
        found.append(columns.Column(label, place + 1, cells.text.take(pa.array(where)), cells.quoted[where]))
    return found


def _file_says(found: list[columns.Column]) -> str | None:
    """Give the decimal mark that some column proves and none contradicts."""
    proven = {
        "," if column.evidence.danish else "."
        for column in found
        if column.kind == "number" and column.evidence and column.evidence.danish != column.evidence.english
    }
    return proven.pop() if len(proven) == 1 else None


def _check_wish(column: columns.Column, wishes: columns.Wishes, cells: Cells, table: layout.Table) -> None:
    wish = wishes.kinds.get(column.name)
    if wish in (None, "text", column.kind) or column.kind == "empty":
        return
    lines = _odd_lines(column, str(wish), cells, table)
    words = {"number": "tal", "date": "datoer"}[str(wish)]
    raise DataError(
        "FL-D012",
        f"{shown_name(column.name, column.place)!r} kan ikke læses som {words}.{lines}",
        remedy="Ret cellerne, giv missing, decimal eller thousands, eller læs kolonnen som tekst med text_columns.",
    )


def _odd_lines(column: columns.Column, wish: str, cells: Cells, table: layout.Table) -> str:
    pattern = numbers.LIKE_A_NUMBER if wish == "number" else r"^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}"
    like = np.asarray(pc.match_substring_regex(column.trimmed, pattern).to_numpy(zero_copy_only=False), dtype=bool)
    odd = np.flatnonzero(~like & ~column.missing)[:5]
    return " Se linje " + ", ".join(str(int(cells.lines[table.rows[i]])) for i in odd) + "." if len(odd) else ""


def _guesses(
    decoded: Decoded,
    mark: layout.Separator,
    cells: Cells,
    table: layout.Table,
    *,
    given: tuple[str | None, str | None, int | None],
    file_says: str | None,
) -> tuple[Guess, ...]:
    encoding, separator, header_line = given
    shown = layout.SEPARATOR_NAMES.get(mark.mark, f"tegnet {mark.mark}")
    found = [
        Guess("Tegnkodning", decoded.encoding, decoded.why, "encoding", encoding is not None or decoded.certain),
        Guess("Skilletegn", shown, mark.why, "separator", separator is not None or mark.certain),
    ]
    if table.header is not None:
        why = "valgt af dig" if header_line else "første linje med tabellens bredde"
        found.append(Guess("Overskrift", f"linje {int(cells.lines[table.header])}", why, "header_line"))
    if file_says:
        words = "komma" if file_says == "," else "punktum"
        found.append(Guess("Decimaltegn", words, "det siger kolonnerne", "decimal og thousands"))
    return tuple(found)


def _table_notes(table: layout.Table, wishes: columns.Wishes, names: list[str]) -> list[str]:
    notes = []
    if table.header is not None and any(LOOKS_LIKE_A_VALUE.search(name) for name in names):
        notes.append("Overskriften ligner en række med data. Har filen ingen overskrift, så læs den med header=False.")
    if table.blank:
        notes.append(f"{table.blank} tomme linjer er sprunget over.")
    if table.extra_empty:
        notes.append(f"{table.extra_empty} linjer slutter med skilletegn uden noget bagefter.")
    if not wishes.quotes_mean_text:
        notes.append("Alt står i citationstegn, så de siger ikke, hvad der er tekst og tal.")
    return notes
