"""Cut delimited text into cells, in linear time, without losing a quotation mark's meaning.

pandas and pyarrow forget whether a cell was quoted and on which line it stood. Both are needed here: quoted digits are
text, and an error names the line. So the cutting is done on whole arrays of bytes; a file whose quotation marks stand
in odd places (`3/4" rør`) takes a slower way with the same result.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from faelleslab.errors import DataError

_LF, _CR = 10, 13


@dataclass(frozen=True)
class Cells:
    """All cells of a file in reading order, and the records (logical lines) they form.

    Attributes
    ----------
    text : pyarrow.LargeStringArray, shape (n_cells,)
    quoted : ndarray of bool, shape (n_cells,)
    first, counts, lines : ndarray of int, shape (n_records,)
        A record's first cell, its number of cells, and the line of the file (from 1) on which it begins.
    """

    text: Any
    quoted: np.ndarray
    first: np.ndarray
    counts: np.ndarray
    lines: np.ndarray


def cut(utf8: bytes, separator: str, quote: str | None = '"') -> Cells:
    """Cut a whole file into cells.

    Parameters
    ----------
    utf8 : bytes
    separator : str
        One ASCII character.
    quote : str, optional
        One ASCII character; None means that quotation marks are text like any other.

    Returns
    -------
    Cells

    Raises
    ------
    DataError
        FL-D005: a quotation mark is opened and not closed, or text follows right after it.
    """
    cells = _cut_arrays(np.frombuffer(utf8, dtype=np.uint8), ord(separator), ord(quote) if quote else None)
    return cells if cells is not None else _cut_slowly(utf8.decode(), separator, quote or '"')


def _cut_arrays(buffer: np.ndarray, separator: int, quote: int | None) -> Cells | None:
    """Cut on arrays; None when a quotation mark stands where RFC 4180 has none."""
    size = len(buffer)
    is_break = buffer == _LF
    carriage = np.flatnonzero(buffer == _CR)
    paired = carriage[carriage + 1 < size]
    paired = paired[buffer[paired + 1] == _LF]
    is_break[carriage] = True
    is_break[paired] = False  # the LF that follows is the break
    is_cut = is_break | (buffer == separator)
    breaks = np.flatnonzero(is_break)
    dropped = paired
    marks = np.flatnonzero(buffer == quote) if quote is not None else paired[:0]
    if len(marks):
        if len(marks) % 2:
            return None
        inside = (np.cumsum(buffer == quote, dtype=np.uint8) & 1).astype(bool)
        is_cut &= ~inside
        paired = paired[~inside[paired]]
        structural = _structural(marks, is_cut, buffer, size)
        if structural is None:
            return None
        dropped = np.sort(np.concatenate([paired, structural]))
    ends = np.flatnonzero(is_cut)
    ends_record = is_break[ends]
    keep = ~is_cut
    keep[dropped] = False
    if not len(ends) or ends[-1] != size - 1 or not ends_record[-1]:
        ends = np.append(ends, size)
        ends_record = np.append(ends_record, True)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
    lengths = ends - starts
    if len(dropped):
        lengths -= np.diff(np.searchsorted(dropped, ends), prepend=0)
    quoted = np.zeros(len(ends), dtype=bool)
    if len(marks):
        quoted = buffer[np.minimum(starts, size - 1)] == quote
        quoted &= starts < size
    last = np.flatnonzero(ends_record)
    first = np.concatenate([np.zeros(1, dtype=np.int64), last[:-1] + 1])
    lines = np.arange(1, len(last) + 1) if not len(marks) else np.searchsorted(breaks, starts[first]) + 1
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    text = pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(buffer[keep]))
    return Cells(text, quoted, first, last - first + 1, lines)


def _structural(marks: np.ndarray, is_cut: np.ndarray, buffer: np.ndarray, size: int) -> np.ndarray | None:
    """Give the quotation marks that are no part of the text; None when one stands in an odd place."""
    opens, closes = marks[0::2], marks[1::2]
    doubled = np.zeros(len(opens), dtype=bool)
    doubled[1:] = opens[1:] == closes[:-1] + 1
    starts_cell = (opens == 0) | is_cut[np.maximum(opens - 1, 0)]
    after = np.minimum(closes + 1, size - 1)
    ends_cell = (closes + 1 == size) | is_cut[after] | (buffer[after] == _CR)
    ends_cell[:-1] |= doubled[1:]
    if not (np.all(doubled | starts_cell) and np.all(ends_cell)):
        return None
    return np.concatenate([closes, opens[~doubled]])


def _cut_slowly(text: str, separator: str, quote: str) -> Cells:
    """Cut cell by cell; a quotation mark inside an unquoted cell is text."""
    stop, mark = re.escape(separator), re.escape(quote)
    pattern = re.compile(
        rf"(?:{mark}((?:[^{mark}]++|{mark}{mark})*+){mark}(?=[{stop}\r\n]|\Z)|([^{stop}\r\n]*+))"
        rf"({stop}|\r\n|\r|\n|\Z)"
    )
    found: list[str] = []
    quoted: list[bool] = []
    first, counts, lines = [0], [], [1]
    line, position, size = 1, 0, len(text)
    while True:
        match = pattern.match(text, position)
        if match is None or (match.group(2) or "").startswith(quote):
            raise _odd_quote(line)
        inner = match.group(1)
        quoted.append(inner is not None)
        if inner is not None:
            line += len(re.findall("\r\n|\r|\n", inner))
            inner = inner.replace(quote * 2, quote)
        found.append(match.group(2) if inner is None else inner)
        position = match.end()
        if match.group(3) == separator:
            continue
        counts.append(len(found) - first[-1])
        if position >= size:
            break
        line += 1
        first.append(len(found))
        lines.append(line)
    return Cells(
        pa.array(found, pa.large_string()),
        np.array(quoted, dtype=bool),
        np.array(first, dtype=np.int64),
        np.array(counts, dtype=np.int64),
        np.array(lines, dtype=np.int64),
    )


def _odd_quote(line: int) -> DataError:
    return DataError(
        "FL-D005",
        f"Linje {line}: et citationstegn åbner et felt, men lukkes ikke rigtigt.",
        remedy="Ret linjen, eller læs citationstegn som almindelig tekst med quote=None.",
    )
