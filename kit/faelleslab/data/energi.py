"""Energinet's Energi Data Service: hourly consumption, production and prices.

The service answers in pages; they are put together, and the number of rows is checked against the number it promised.
``HourUTC`` gets its time zone; ``HourDK`` is local time, so that one hour in autumn comes twice.
"""

import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from faelleslab.data.answers import Answer, Request
from faelleslab.data.municipality_list import four_digits
from faelleslab.data.provenance import attach
from faelleslab.data.service import Service
from faelleslab.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

ADDRESS = "https://api.energidataservice.dk"
ATTRIBUTION = "Kilde: Energinet, Energi Data Service, CC BY 4.0"
_DAY_S = 86_400.0
_MOST_PAGES = 10_000


class Energi:
    """A client of Energi Data Service.

    Parameters
    ----------
    address : str, optional
        Base address; ``FAELLESLAB_ENERGI_URL`` or the service's own when not given.
    page_rows : int
        Rows asked for at a time.
    max_age_s : float
        How old a cached answer may be, seconds.
    **options
        Passed on to `faelleslab.data.service.Service`: offline, timeout_s, retries, backoff_s, max_wait_s, cache.
    """

    def __init__(
        self, address: str | None = None, *, page_rows: int = 10_000, max_age_s: float = _DAY_S, **options: Any
    ) -> None:
        base = address or os.environ.get("FAELLESLAB_ENERGI_URL") or ADDRESS
        self.service = Service(
            "energi", "Energi Data Service", base, attribution=ATTRIBUTION, licence="CC BY 4.0", **options
        )
        self._page_rows = max(1, int(page_rows))
        self._max_age_s = max_age_s

    def dataset(
        self,
        name: str,
        *,
        start: str | None = None,
        end: str | None = None,
        filter: Mapping[str, Any] | None = None,
        columns: Iterable[str] | None = None,
        sort: str = "HourUTC",
        limit: int | None = None,
        municipality_codes: bool = False,
    ) -> "pd.DataFrame":
        """Get a data set's rows.

        Parameters
        ----------
        name : str
            Such as "ConsumptionDE35Hour".
        start, end : str, optional
            Danish local time, such as "2023-03-01T00:00"; the end is not included.
        filter : mapping, optional
            Column to a value or a list. Four-digit municipality codes are understood for ``MunicipalityNo``.
        columns : iterable of str, optional
            The columns to get; all when not given.
        sort : str
            Column to sort by, and " DESC" if wanted. Pages need a fixed order; "" asks for none.
        limit : int, optional
            At most this many rows.
        municipality_codes : bool
            Add ``kommunekode``, four digits, from ``MunicipalityNo``.

        Returns
        -------
        pandas.DataFrame
            ``HourUTC`` in UTC and ``HourDK`` as local time where the data set has them.

        Raises
        ------
        DataError
            FL-D020 to FL-D022.
        """
        if not str(name).isalnum():
            raise DataError(
                "FL-D023", "Navnet på datasættet består kun af bogstaver og tal.", remedy="Se navnet hos Energinet."
            )
        asked = _parameters(start, end, filter, columns, sort)
        rows, answers = self._pages(name, asked, limit)
        frame = _frame(rows)
        if municipality_codes and "MunicipalityNo" in frame:
            codes = frame["MunicipalityNo"].astype("str")
            frame.insert(
                0, "kommunekode", codes.map({code: four_digits(code) for code in codes.unique()}).astype("str")
            )
        return attach(frame, *(self.service.provenance(name, answer) for answer in answers[:1]))

    def _pages(self, name: str, asked: dict[str, str], limit: int | None) -> tuple[list[dict[str, Any]], list[Answer]]:
        rows: list[dict[str, Any]] = []
        answers: list[Answer] = []
        for _ in range(_MOST_PAGES):
            size = self._page_rows if limit is None else min(self._page_rows, limit - len(rows))
            page = asked | {"offset": str(len(rows)), "limit": str(size)}
            answer = self.service.ask(
                Request("energi", f"/dataset/{name}", page), wants="json", max_age_s=self._max_age_s
            )
            records, total = _records(answer)
            rows += records
            answers.append(answer)
            wanted = total if limit is None else min(limit, total) if total is not None else limit
            if (wanted is not None and len(rows) >= wanted) or (total is None and len(records) < size):
                break
            if not records:
                raise _odd("der mangler rækker")
        return rows if limit is None else rows[:limit], answers


def _parameters(
    start: str | None, end: str | None, chosen: Mapping[str, Any] | None, columns: Iterable[str] | None, sort: str
) -> dict[str, str]:
    asked = {"start": start, "end": end, "sort": sort or None, "columns": ",".join(columns) if columns else None}
    if chosen:
        lists = {key: [value] if isinstance(value, (str, int)) else list(value) for key, value in chosen.items()}
        if "MunicipalityNo" in lists:
            lists["MunicipalityNo"] = [str(code).lstrip("0") for code in lists["MunicipalityNo"]]
        texts = {key: [str(value) for value in values] for key, values in lists.items()}
        asked["filter"] = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return {key: str(value) for key, value in asked.items() if value is not None}


def _records(answer: Answer) -> tuple[list[dict[str, Any]], int | None]:
    content = json.loads(answer.body)
    records = content.get("records") if isinstance(content, dict) else None
    if not isinstance(records, list) or not all(isinstance(row, dict) for row in records):
        raise _odd("rækkerne mangler")
    total = content.get("total")
    return records, total if isinstance(total, int) and not isinstance(total, bool) else None


def _frame(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame(rows)
    for name in frame.columns:
        if not name.endswith(("UTC", "DK")) or not pd.api.types.is_string_dtype(frame[name].dtype):
            continue
        try:
            moments = pd.to_datetime(frame[name], format="ISO8601", utc=name.endswith("UTC"))
        except (ValueError, TypeError):
            continue  # not a time after all: it stays as it came
        frame[name] = moments
    return frame


def _odd(what: str) -> DataError:
    return DataError(
        "FL-D022",
        f"Energi Data Service svarede, men svaret ser ikke ud som ventet: {what}.",
        remedy="Prøv igen senere; bliver det ved, er tjenesten ændret, og faelleslab skal opdateres.",
    )


def dataset(name: str, **options: Any) -> "pd.DataFrame":
    """Get a data set's rows; see `Energi.dataset`."""
    return Energi().dataset(name, **options)
