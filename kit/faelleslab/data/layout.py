"""Find the table inside a file: which separator, which line is the header, which lines are text around it.

A separator is judged on the first part of the file alone; afterwards every line of the whole file is checked, so a
wrong guess ends in a clear error and not in a half-read table.
"""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from faelleslab.data.tokens import Cells
from faelleslab.errors import DataError

SEPARATORS = "\t;|,"  # in order of trust: text may well hold commas
MAX_COLUMNS = 16_384  # as many as Excel can show
_SAMPLE = 65_536
_QUOTED = re.compile(r'(?:(?<=[;,\t|\r\n])|\A)"(?:[^"]++|"")*+"')
_NUMBER = re.compile(r"[+-]?[\d.,]*\d(e[+-]?\d+)?%?", re.IGNORECASE)
SEPARATOR_NAMES = {"\t": "tabulator", ";": "semikolon", "|": "lodret streg", ",": "komma", " ": "mellemrum"}


@dataclass(frozen=True)
class Separator:
    """The separator of a file and how sure the choice is."""

    mark: str
    why: str
    certain: bool


@dataclass(frozen=True)
class Table:
    """Where the table lies among the records of a file.

    Attributes
    ----------
    header : int or None
        The header's record; None when the file has none.
    rows : ndarray of int
        The records of the table's rows.
    width : int
        Number of columns.
    above, below, blank : int
        Number of lines above the header, under the table, and of blank lines.
    extra_empty : int
        Rows that end in separators without anything behind them.
    """

    header: int | None
    rows: np.ndarray
    width: int
    above: int
    below: int
    blank: int
    extra_empty: int


def guess_separator(utf8: bytes) -> Separator:
    """Guess the separator from the first 64 kB.

    Parameters
    ----------
    utf8 : bytes

    Returns
    -------
    Separator
    """
    sample = utf8[:_SAMPLE].decode("utf-8", "ignore")
    lines = [line for line in re.split("\r\n|\r|\n", _QUOTED.sub("Q", sample)) if line.strip()]
    if len(utf8) > _SAMPLE and len(lines) > 1:
        lines.pop()
    usable = [
        (outside, order, mark) for order, mark in enumerate(SEPARATORS) if (outside := _misfits(lines, mark)) >= 0
    ]
    if not usable:
        return Separator(";", "ingen skilletegn fundet: én kolonne", certain=not any(m in sample for m in SEPARATORS))
    outside, _, mark = min(usable)
    if outside == 0:
        rivals = [other for misfits, _, other in usable if misfits == 0 and other != mark]
        return Separator(mark, "samme antal i alle linjer", certain=not rivals)
    return Separator(mark, "samme antal i næsten alle linjer", certain=outside * 10 < len(lines))


def _misfits(lines: list[str], mark: str) -> int:
    """Count the lines that do not have the usual number of cells; -1 when the mark cannot be the separator."""
    counts = [line.count(mark) + 1 for line in lines]
    common = Counter(count for count in counts if count > 1).most_common(1)
    if not common:
        return -1
    width = common[0][0]
    first = counts.index(width)
    if first > 0 and all(_NUMBER.fullmatch(cell.strip()) for cell in lines[first].split(mark)):
        return -1  # one column of numbers under its name: the mark is the decimal mark
    return sum(count != width for count in counts)


def find_table(cells: Cells, header_line: int | None = None, *, header: bool = True) -> Table:
    """Find header, rows and the text around them; refuse a file with ragged lines.

    Parameters
    ----------
    cells : Cells
    header_line : int, optional
        Line of the header in the file, from 1; overrides the guess.
    header : bool
        False when the file has no header.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        FL-D002 (no lines with content), FL-D006 (too many columns), FL-D007 (ragged), FL-D008 (no such header line).
    """
    blank = _blank(cells)
    present = np.flatnonzero(~blank)
    if not len(present):
        raise DataError(
            "FL-D002", "Filen har ingen linjer med indhold.", remedy="Hent filen igen, eller vælg en anden fil."
        )
    if int(cells.counts.max()) > MAX_COLUMNS:
        raise DataError(
            "FL-D006",
            f"Filen har over {MAX_COLUMNS} kolonner.",
            remedy="Tjek, at det er en tabel, eller angiv det rigtige skilletegn med separator.",
        )
    top = _given_header(cells, present, header_line) if header_line else _guess_header(cells, present, header=header)
    body = present[present >= top]
    width = _width(cells, body)
    rows, below = _split_notes(cells, body if not header else body[1:], width)
    extra = _check_ragged(cells, rows, width)
    return Table(
        header=int(top) if header else None,
        rows=rows,
        width=width,
        above=int(np.count_nonzero(present < top)),
        below=below,
        blank=int(np.count_nonzero(blank)),
        extra_empty=extra,
    )


def _blank(cells: Cells) -> np.ndarray:
    single = np.flatnonzero(cells.counts == 1)
    blank = np.zeros(len(cells.counts), dtype=bool)
    if len(single):
        where = cells.first[single]
        empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(cells.text.take(where))), 0).to_numpy(
            zero_copy_only=False
        )
        blank[single] = empty & ~cells.quoted[where]
    return blank


def _given_header(cells: Cells, present: np.ndarray, header_line: int) -> int:
    found = np.flatnonzero(cells.lines[present] == header_line)
    if not len(found):
        raise DataError(
            "FL-D008",
            f"Der begynder ingen række på linje {header_line}.",
            remedy="Angiv linjenummeret på kolonneoverskrifterne, som en teksteditor viser det.",
        )
    return int(present[found[0]])


def _guess_header(cells: Cells, present: np.ndarray, *, header: bool) -> int:
    """Give the first record that is as wide as most are and is not a padded title."""
    counts = cells.counts[present]
    wide = counts[counts > 1]
    if not len(wide):
        return int(present[0])
    common = int(np.argmax(np.bincount(wide)))
    for place in np.flatnonzero((counts == common) | (counts > 1))[:50]:
        record = int(present[place])
        filled = _filled(cells, record)
        if len(filled) == 0 or (len(filled) == 1 and cells.counts[record] > 1):
            continue  # a title that Excel has padded with separators
        if int(cells.counts[record]) == common or _only_empty_beyond(cells, present, int(cells.counts[record]), common):
            return record
    candidates = present[counts == common]
    if not header or len(candidates) == 1:
        return int(candidates[0])
    return int(present[int(np.flatnonzero(counts > 1)[0])])


def _filled(cells: Cells, record: int) -> list[int]:
    start, count = int(cells.first[record]), int(cells.counts[record])
    values = cells.text.slice(start, count).to_pylist()
    return [place for place, value in enumerate(values) if value.strip() or cells.quoted[start + place]]


def _only_empty_beyond(cells: Cells, present: np.ndarray, width: int, common: int) -> bool:
    """Say whether the usual records are a narrower table followed by separators with nothing behind."""
    if width >= common:
        return False
    records = present[cells.counts[present] == common][:100]
    return all(place < width for record in records for place in _filled(cells, int(record)))


def _width(cells: Cells, body: np.ndarray) -> int:
    """Give the header's width; without trailing empty names when no row reaches so far."""
    return int(cells.counts[body[0]])


def _split_notes(cells: Cells, rows: np.ndarray, width: int) -> tuple[np.ndarray, int]:
    """Split the lines under the table off: single cells at the very end of a wider table."""
    if width == 1 or not len(rows):
        return rows, 0
    whole = np.flatnonzero(cells.counts[rows] != 1)
    end = int(whole[-1]) + 1 if len(whole) else 0
    tail = rows[end:]
    if not len(tail):
        return rows, 0
    previous = rows[end - 1] if end else rows[0] - 1
    set_apart = int(tail[0]) > int(previous) + 1
    sentence = " " in cells.text[int(cells.first[tail[0]])].as_py().strip()
    if not (set_apart or sentence):
        return rows, 0  # probably a file cut off in the middle of a line: the ragged check names it
    return rows[:end], len(tail)


def _check_ragged(cells: Cells, rows: np.ndarray, width: int) -> int:
    counts = cells.counts[rows]
    wrong = np.flatnonzero(counts != width)
    if not len(wrong):
        return 0
    for place in wrong:
        record = int(rows[place])
        if int(counts[place]) > width and all(index < width for index in _filled(cells, record)):
            continue
        others = len(wrong) - 1
        more = f" Det samme kan gælde {others} linjer mere." if others else ""
        raise DataError(
            "FL-D007",
            f"Linje {int(cells.lines[record])} har {int(counts[place])} felter, men tabellen har {width} kolonner."
            f"{more}",
            rule="En skæv linje bliver hverken gættet på plads eller sprunget over.",
            remedy="Ret linjen i filen, eller angiv separator, quote eller header_line.",
        )
    return len(wrong)
