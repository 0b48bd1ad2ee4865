"""Where a table comes from: one record per source, kept in `DataFrame.attrs` as plain text and lists.

A table from a recorded answer says so, and one composed by hand is called "konstrueret", wherever its source is shown.
"""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

ATTRS = "faelleslab"
LABELS = {
    "direkte": "hentet fra tjenesten",
    "mellemlager": "fra mellemlageret",
    "optaget": "optaget svar",
    "konstrueret": "konstrueret svar (sat sammen i hånden)",
}


@dataclass(frozen=True)
class Provenance:
    """One answer of one source.

    Attributes
    ----------
    name : str
        Such as "statbank/FOLK1A".
    attribution : str
        The line to show with the figures.
    label : {"direkte", "mellemlager", "optaget", "konstrueret"}
    retrieved : str
        Date, yyyy-mm-dd.
    sha256 : str
        Of the answer's bytes.
    note : str
        What a reader must know about the figures.
    """

    name: str
    attribution: str
    licence: str
    label: str
    retrieved: str
    sha256: str
    note: str = ""

    def __str__(self) -> str:
        note = f" {self.note}" if self.note else ""
        return f"{self.name}: {LABELS.get(self.label, self.label)} {self.retrieved}, {self.licence}.{note}"


def attach(df: "pd.DataFrame", *sources: Provenance) -> "pd.DataFrame":
    """Add sources to a table and give it back."""
    kept = dict(df.attrs.get(ATTRS, {}))
    known = json.loads(kept.get("sources", "[]"))
    known += [one for source in sources if (one := asdict(source)) not in known]
    kept["sources"] = json.dumps(known, ensure_ascii=False)
    df.attrs[ATTRS] = kept
    return df


def provenance_of(df: "pd.DataFrame") -> list[Provenance]:
    """Give the sources of a table, oldest first; empty when it has none.

    Parameters
    ----------
    df : pandas.DataFrame

    Returns
    -------
    list of Provenance
    """
    records: list[dict[str, Any]] = json.loads(df.attrs.get(ATTRS, {}).get("sources", "[]"))
    return [Provenance(**record) for record in records]


def source_of(df: "pd.DataFrame", *, details: bool = False) -> str:
    """Give the source line to show with a table or a picture.

    Parameters
    ----------
    df : pandas.DataFrame
    details : bool
        Add one line per answer: how and when it was got, and what to know about it.

    Returns
    -------
    str
        Such as "Kilde: Danmarks Statistik (Statistikbanken), CC BY 4.0"; empty when the table has no known source.
    """
    sources = provenance_of(df)
    lines = list(dict.fromkeys(source.attribution for source in sources))
    if details:
        lines += [str(source) for source in sources]
    return "\n".join(lines)


def record_read(name: str, sha256: str) -> None:
    """Tell the run, if there is one, which data it has read."""
    from faelleslab.jobs.provenance import record_data

    record_data(name, sha256)
