"""What the reader guessed, in words an analyst can check.

The report holds names, counts and line numbers, never a cell's value. It travels in `DataFrame.attrs` as text, so that
copying a frame is cheap and pandas can still write it to Parquet.
"""

import base64
import json
import re
import zlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from faelleslab.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

ATTRS = "faelleslab"
# Five digits, a date, a mail address or a long text: no name of a column, but a cell of a file without header.
LOOKS_LIKE_A_VALUE = re.compile(r"\d{5}|\d[-./]\d+[-./]\d|\d{4}.*\d{2}.*\d|@|.{61}", re.DOTALL)


@dataclass(frozen=True)
class Guess:
    """One decision the reader took: what, the choice, why, how to override it, and whether it is certain."""

    what: str
    choice: str
    why: str
    override: str
    certain: bool = True

    def __str__(self) -> str:
        doubt = "" if self.certain else " – USIKKERT, tjek det"
        return f"{self.what}: {self.choice} ({self.why}){doubt}. Ændres med {self.override}."


@dataclass(frozen=True)
class ColumnReport:
    """One column: its kind, how it was written, and counts of what was set apart."""

    name: str
    kind: str
    form: str = ""
    missing: int = 0
    censored: int = 0
    totals: int = 0
    ambiguous: bool = False
    note: str = ""
    censored_rows: str = field(default="", repr=False)
    place: int = 0

    @property
    def shown(self) -> str:
        """The name as a report may show it."""
        return shown_name(self.name, self.place)

    def __str__(self) -> str:
        parts = [self.kind + (f" ({self.form})" if self.form else "")]
        if self.missing:
            parts.append(f"{self.missing} mangler")
        if self.censored:
            parts.append(f"{self.censored} skjult i kilden (fx under en grænse), læst som manglende")
        if self.totals:
            parts.append(f"{self.totals} i alt-rækker")
        if self.ambiguous:
            parts.append("TVETYDIG, tjek den")
        if self.note:
            parts.append(self.note)
        return f"{self.shown}: " + "; ".join(parts)


@dataclass(frozen=True)
class ReadReport:
    """Everything the reader guessed about one file; `str()` gives it in Danish."""

    name: str
    bytes: int
    sha256: str
    rows: int
    columns: tuple[ColumnReport, ...]
    guesses: tuple[Guess, ...]
    lines_above: int = 0
    lines_below: int = 0
    totals: int = 0
    totals_dropped: int = 0
    notes: tuple[str, ...] = ()

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """Names of the columns whose reading is a matter of opinion."""
        return tuple(column.name for column in self.columns if column.ambiguous)

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.rows} rækker og {len(self.columns)} kolonner er læst."]
        lines += [f"- {guess}" for guess in self.guesses]
        if self.lines_above:
            lines.append(f"- {self.lines_above} linjer over overskriften hører ikke til tabellen.")
        if self.lines_below:
            lines.append(f"- {self.lines_below} linjer under tabellen er noter og ikke læst med.")
        if self.totals:
            done = (
                f"{self.totals_dropped} er udeladt"
                if self.totals_dropped
                else "de er læst med (udelades med drop_totals=True)"
            )
            lines.append(f"- {self.totals} rækker er i alt-rækker; {done}.")
        lines += [f"- {note}" for note in self.notes]
        lines.append("Kolonner:")
        lines += [f"- {column}" for column in self.columns]
        return "\n".join(lines)

    def censored(self, column: str) -> "pd.Series":
        """Say for each row as read whether the source hid the value (`<10` and the like).

        Parameters
        ----------
        column : str

        Returns
        -------
        pandas.Series of bool, shape (rows,)

        Raises
        ------
        DataError
            FL-D009: no such column was read.
        """
        import pandas as pd

        found = [one for one in self.columns if one.name == column]
        if not found:
            raise DataError(
                "FL-D009", "Filen har ikke den kolonne, der spørges til.", remedy="Se navnene med report.columns."
            )
        return pd.Series(_unpack(found[0].censored_rows, self.rows), name=column)

    def to_text(self) -> str:
        """Give the report as compact JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> "ReadReport":
        """Read what `to_text` wrote."""
        values: dict[str, Any] = json.loads(text)
        values["columns"] = tuple(ColumnReport(**column) for column in values["columns"])
        values["guesses"] = tuple(Guess(**guess) for guess in values["guesses"])
        values["notes"] = tuple(values["notes"])
        return cls(**values)


def shown_name(name: str, place: int) -> str:
    """Give a column's name for a message, unless it may be a value (a file without header has values there).

    Parameters
    ----------
    name : str
    place : int
        The column's number, from 1.

    Returns
    -------
    str
    """
    return f"Kolonne nr. {place}" if LOOKS_LIKE_A_VALUE.search(name) else name


def pack(flags: np.ndarray) -> str:
    """Pack one boolean per row into a short text; empty when none is true."""
    return base64.b85encode(zlib.compress(np.packbits(flags).tobytes())).decode() if flags.any() else ""


def _unpack(text: str, rows: int) -> np.ndarray:
    if not text:
        return np.zeros(rows, dtype=bool)
    packed = np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype=np.uint8)
    return np.unpackbits(packed, count=rows).astype(bool)


def read_report(df: "pd.DataFrame") -> ReadReport:
    """Give the report of how a table was read.

    Parameters
    ----------
    df : pandas.DataFrame
        Made by `read_csv`, or derived from such a table by operations that keep `attrs`.

    Returns
    -------
    ReadReport

    Raises
    ------
    DataError
        FL-D010: the table has no report.
    """
    text = df.attrs.get(ATTRS, {}).get("report")
    if not text:
        raise DataError(
            "FL-D010",
            "Tabellen har ingen læserapport.",
            remedy="Kald read_report på den tabel, som read_csv gav.",
        )
    return ReadReport.from_text(text)
