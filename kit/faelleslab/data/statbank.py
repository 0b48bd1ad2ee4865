"""Statistics Denmark's StatBank: subjects, tables, what a table holds, and its figures.

A question over a million cells is put as BULK, which has no limit; there the service leaves rows out that are zero, and
they are put back. Codes stay text; the value column INDHOLD is numeric and `..` is missing.
"""

import json
import os
from typing import TYPE_CHECKING, Any

from faelleslab.data.answers import Answer, Request
from faelleslab.data.provenance import attach
from faelleslab.data.selection import Selection, select
from faelleslab.data.service import Service
from faelleslab.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

ADDRESS = "https://api.statbank.dk/v1"
ATTRIBUTION = "Kilde: Danmarks Statistik (Statistikbanken), CC BY 4.0"
CELL_LIMIT = 1_000_000
_DAY_S = 86_400.0


class StatBank:
    """A client of StatBank's API.

    Parameters
    ----------
    address : str, optional
        Base address; ``FAELLESLAB_STATBANK_URL`` or the service's own when not given.
    max_age_s : float
        How old a cached answer may be, seconds.
    **options
        Passed on to `faelleslab.data.service.Service`: offline, timeout_s, retries, backoff_s, max_wait_s, cache.
    """

    def __init__(self, address: str | None = None, *, max_age_s: float = _DAY_S, **options: Any) -> None:
        base = address or os.environ.get("FAELLESLAB_STATBANK_URL") or ADDRESS
        self.service = Service(
            "statbank", "Statistikbanken", base, attribution=ATTRIBUTION, licence="CC BY 4.0", **options
        )
        self._max_age_s = max_age_s

    def subjects(self, language: str = "da") -> "pd.DataFrame":
        """List the subjects of StatBank.

        Parameters
        ----------
        language : {"da", "en"}

        Returns
        -------
        pandas.DataFrame
            ``id``, ``description`` and more, as the service gives them.
        """
        return self._list("/subjects", {"lang": language, "format": "JSON"}, "emner")

    def tables(self, subject: str | None = None, language: str = "da") -> "pd.DataFrame":
        """List StatBank's tables, of one subject or all.

        Parameters
        ----------
        subject : str, optional
            A subject's id.
        language : {"da", "en"}

        Returns
        -------
        pandas.DataFrame
            ``id``, ``text``, ``updated``, ``firstPeriod``, ``latestPeriod`` and more.
        """
        asked: dict[str, Any] = {"lang": language, "format": "JSON"}
        return self._list("/tables", asked | ({"subjects": [str(subject)]} if subject else {}), "tabeller")

    def table_info(self, table: str, language: str = "da") -> dict[str, Any]:
        """Say what a table holds: its variables, their values, unit and date.

        Parameters
        ----------
        table : str
            Such as "FOLK1A".
        language : {"da", "en"}

        Returns
        -------
        dict
            The service's answer; ``variables`` is a list of id, text, elimination, time and values.

        Raises
        ------
        DataError
            FL-D020 to FL-D022.
        """
        return self._info(table, language)[0]

    def table(
        self,
        table: str,
        *,
        language: str = "da",
        values: str = "text",
        municipality_codes: bool = False,
        **variables: Any,
    ) -> "pd.DataFrame":
        """Get a table's figures.

        Parameters
        ----------
        table : str
            Such as "FOLK1A".
        language : {"da", "en"}
        values : {"text", "code", "both"}
            Whether categories are shown by text, by code, or by text with the code beside it
            (``OMRÅDE_KODE``).
        municipality_codes : bool
            Add ``kommunekode``: four digits, missing where the area is no municipality.
        **variables
            One value or a list for each variable, by its id: codes, "*" for all, "(1)" for the newest period, ">=2015".
            Four-digit municipality codes are understood. A variable that is left out is summed over where the table
            allows it; the time is then the newest.

        Returns
        -------
        pandas.DataFrame
            One column per variable in capitals, ``TID`` (text), ``PERIODE`` (the period's first day) and ``INDHOLD``.

        Raises
        ------
        DataError
            FL-D020 to FL-D023.

        Notes
        -----
        The limit of 1,000,000 cells (rows times columns) holds for every format but BULK and SDMX.
        """
        if values not in ("text", "code", "both"):
            raise DataError("FL-D023", "values skal være 'text', 'code' eller 'both'.", remedy="Ret kaldet.")
        info, info_answer = self._info(table, language)
        chosen = select(info, variables)
        request = Request("statbank", "/data", _question(table, language, chosen, bulk=chosen.n_cells > CELL_LIMIT))
        answer = self.service.ask(request, wants="csv", max_age_s=self._max_age_s)
        from faelleslab.data import statbank_frames as frames

        frame = frames.parse(answer.body, table, info, chosen, whole=chosen.n_cells > CELL_LIMIT)
        frame = frames.present(frame, chosen, values=values, municipality_codes=municipality_codes)
        named = (self.service.provenance(table.upper(), one) for one in _distinct(answer, info_answer))
        return attach(frame, *named)

    def _info(self, table: str, language: str) -> tuple[dict[str, Any], Answer]:
        asked = {"table": str(table).upper(), "lang": language, "format": "JSON"}
        answer = self.service.ask(Request("statbank", "/tableinfo", asked), wants="json", max_age_s=self._max_age_s)
        info = json.loads(answer.body)
        try:
            for variable in info["variables"]:
                _ = str(variable["id"]), [(str(v["id"]), str(v["text"])) for v in variable["values"]]
        except (KeyError, TypeError):
            raise _unexpected("tabellens beskrivelse") from None
        return info, answer

    def _list(self, path: str, asked: dict[str, Any], what: str) -> "pd.DataFrame":
        import pandas as pd

        answer = self.service.ask(Request("statbank", path, asked), wants="json", max_age_s=self._max_age_s)
        rows = json.loads(answer.body)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _unexpected(f"listen over {what}")
        return attach(pd.DataFrame(rows), self.service.provenance(path.strip("/"), answer))


def _distinct(answer: Answer, info: Answer) -> tuple[Answer, ...]:
    """Name the description too where it is weaker evidence than the figures."""
    return (answer,) if info.label == answer.label else (answer, info)


def _question(table: str, language: str, chosen: Selection, *, bulk: bool) -> dict[str, Any]:
    if bulk and chosen.left_out:
        raise DataError(
            "FL-D023",
            f"Udtrækket er på over {CELL_LIMIT:,} celler, og så skal alle variable vælges.".replace(",", "."),
            rule="Statistikbanken summerer ikke i store udtræk (BULK).",
            remedy="Vælg også: " + ", ".join(chosen.left_out) + " – eller vælg færre værdier.",
        )
    return {
        "table": table.upper(),
        "format": "BULK" if bulk else "CSV",
        "lang": language,
        "valuePresentation": "Code",
        "delimiter": "Semicolon",
        "variables": [{"code": one.id, "values": list(one.asked)} for one in chosen.variables],
    }


def _unexpected(what: str) -> DataError:
    return DataError(
        "FL-D022",
        f"Statistikbanken svarede, men {what} ser ikke ud som ventet.",
        remedy="Prøv igen senere; bliver det ved, er tjenesten ændret, og faelleslab skal opdateres.",
    )


def subjects(language: str = "da") -> "pd.DataFrame":
    """List the subjects of StatBank; see `StatBank.subjects`."""
    return StatBank().subjects(language)


def tables(subject: str | None = None, language: str = "da") -> "pd.DataFrame":
    """List StatBank's tables; see `StatBank.tables`."""
    return StatBank().tables(subject, language)


def table_info(table: str, language: str = "da") -> dict[str, Any]:
    """Say what a table holds; see `StatBank.table_info`."""
    return StatBank().table_info(table, language)


def table(table: str, **options: Any) -> "pd.DataFrame":
    """Get a table's figures; see `StatBank.table`."""
    return StatBank().table(table, **options)


__all__ = ["ATTRIBUTION", "StatBank", "subjects", "table", "table_info", "tables"]
