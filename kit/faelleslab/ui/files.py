"""Offers a result as files: for Excel and for Power BI.

In front of a user the output is two buttons and the kernel saves when one is pressed. In a production run or under
papermill nobody presses anything, so both files are written at once. Excel gets a workbook, Power BI a Parquet file,
which keeps types and leading zeros.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faelleslab.errors import FaelleslabError
from faelleslab.ui import front_end
from faelleslab.ui.answer import Answer
from faelleslab.ui.text import format_bytes

if TYPE_CHECKING:
    import pandas as pd

OFFER_TYPE = "application/vnd.faelleslab.offer+json"
FOLDER = "resultater"
_NAME = re.compile(r"[A-Za-z0-9ÆØÅæøå][A-Za-z0-9ÆØÅæøå_-]{0,79}")


@dataclass(frozen=True)
class _Format:
    label: str
    purpose: str
    suffix: str


FORMATS = {
    "excel": _Format("Gem til Excel", "Excel", ".xlsx"),
    "power-bi": _Format("Gem til Power BI", "Power BI", ".parquet"),
}


@dataclass(frozen=True)
class _Offer:
    table: "pd.DataFrame"
    source: str


_offers: dict[str, _Offer] = {}


def offer_files(table: "pd.DataFrame", name: str, *, source: str = "") -> "Offered":
    """Offer a table as files for Excel and Power BI; the last value of a notebook's last cell.

    Parameters
    ----------
    table : DataFrame
        What is saved; it is not copied, so do not change it afterwards.
    name : str
        File name without ending: letters, digits, ``-`` and ``_``.
    source : str
        Where the figures come from ("Danmarks Statistik, FOLK1A"); follows the file.

    Returns
    -------
    Offered
        Shows as buttons, or as a table of the files already written.

    Raises
    ------
    FaelleslabError
        FL-U001 for another kind of name; FL-U002 when a file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise FaelleslabError(
            "FL-U001",
            "Filnavnet kan ikke bruges.",
            rule="et filnavn består af bogstaver, tal, - og _ og har ingen mappe eller endelse.",
            remedy="kald offer_files med et navn som 'noegletal-0751'.",
        )
    offer = _Offer(table, source)
    if front_end.is_live():
        _offers[name] = offer
        return Offered(name, ())
    return Offered(name, tuple(_write(offer, name, file_format) for file_format in FORMATS))


def save_offer(offer: str, file_format: str) -> Answer:
    """Save an offered table, as the button asks.

    Parameters
    ----------
    offer : str
        The name given to `offer_files`.
    file_format : str
        A key of `FORMATS`.

    Returns
    -------
    Answer
        ``path`` from the notebook's folder and ``size``, or ``fault``: one Danish sentence.
    """
    if offer not in _offers or file_format not in FORMATS:
        return Answer(
            {"fault": "Tabellen er her ikke mere, fordi kernen er genstartet. Tryk på Kør øverst, og gem igen."}
        )
    try:
        path = _write(_offers[offer], offer, file_format)
    except FaelleslabError as error:
        return Answer({"fault": str(error)})
    return Answer({"path": path.as_posix(), "size": format_bytes(path.stat().st_size)})


@dataclass(frozen=True)
class Offered:
    """An offer of files, as a notebook shows it."""

    name: str
    paths: tuple[Path, ...]

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        if self.paths:
            return {"text/html": self._table(), "text/plain": self._words()}
        buttons = [{"format": key, "label": f.label} for key, f in FORMATS.items()]
        text = f"Tallene kan gemmes i mappen {FOLDER} ved siden af notesbogen."
        offer = {"id": self.name, "formats": buttons, "text": text}
        return {OFFER_TYPE: offer, "text/plain": "Åbn notesbogen i Fælleslab for at gemme tallene."}

    def _words(self) -> str:
        return "Gemt: " + ", ".join(p.name for p in self.paths)

    def _table(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{p.name}</th><td>{_purpose(p)}</td><td>{format_bytes(p.stat().st_size)}</td></tr>'
            for p in self.paths
        )
        head = '<tr><th scope="col">Fil</th><th scope="col">Til</th><th scope="col">Størrelse</th></tr>'
        return f"<table><caption>Gemte filer</caption><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _purpose(path: Path) -> str:
    return next(f.purpose for f in FORMATS.values() if f.suffix == path.suffix)


def _folder() -> Path:
    given = os.environ.get(front_end.OUTPUT_VARIABLE)
    return Path(given) if given else Path(FOLDER)


def _write(offer: _Offer, name: str, file_format: str) -> Path:
    from faelleslab import data

    folder = _folder()
    path = folder / (name + FORMATS[file_format].suffix)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if file_format == "excel":
            data.write_excel(offer.table, path, source=offer.source or None)
        else:
            data.write_parquet(offer.table, path)
    except OSError as error:
        raise FaelleslabError(
            "FL-U002",
            f"Filen {path.name} kunne ikke gemmes i mappen {folder.name} ({error.strerror or 'fejl på disken'}).",
            remedy="luk filen, hvis den er åben et andet sted, kontrollér at der er plads, og gem igen.",
        ) from None
    return path
