"""Which values of a StatBank table are asked for, how many cells that is, and what is left to be summed over."""

import fnmatch
import re
from dataclasses import dataclass
from typing import Any

from faelleslab.errors import DataError

_NEWEST = re.compile(r"\((\d+)\)|\(-n\+(\d+)\)")
_COMPARED = re.compile(r"(>=|<=|>|<)(.+)")
# Variables that hold areas when the table has no map: the map is only named where the service can draw one.
_AREAS = {"OMRÅDE", "KOMKODE", "KOMMUNEDK", "BOPOMR", "BOPKOM", "REGION", "KOMGRP", "KOM"}


@dataclass(frozen=True)
class Chosen:
    """One variable of a question: what is asked, and the values that answers to."""

    id: str
    text: str
    time: bool
    area: bool
    asked: tuple[str, ...]
    values: tuple[str, ...]
    texts: dict[str, str]


@dataclass(frozen=True)
class Selection:
    """The variables of a question, in the table's order, and those left out."""

    variables: tuple[Chosen, ...]
    left_out: tuple[str, ...]

    @property
    def n_cells(self) -> int:
        """Rows times columns, the time and the value counted as columns."""
        rows = 1
        for variable in self.variables:
            rows *= max(len(variable.values), 1)
        return rows * (len(self.variables) + 1)


def select(info: dict[str, Any], wanted: dict[str, Any]) -> Selection:
    """Match a question with a table's description.

    Parameters
    ----------
    info : dict
        A `tableinfo` answer.
    wanted : dict
        Variable id (in any case) to one value or a list.

    Returns
    -------
    Selection

    Raises
    ------
    DataError
        FL-D023: an unknown variable or value, or a variable that must be chosen is not.
    """
    known = {str(variable["id"]).casefold(): variable for variable in info["variables"]}
    asked = {name.casefold(): value for name, value in wanted.items()}
    unknown = [name for name in wanted if name.casefold() not in known]
    if unknown:
        raise DataError(
            "FL-D023",
            f"Tabellen {info.get('id', '')} har ikke variablen {', '.join(map(repr, unknown))}.",
            remedy="Vælg blandt: " + ", ".join(str(variable["id"]) for variable in info["variables"]) + ".",
        )
    chosen, left_out, needed = [], [], []
    for key, variable in known.items():
        if key in asked:
            chosen.append(_choose(variable, asked[key]))
        elif variable.get("time"):
            chosen.append(_choose(variable, "(1)"))
        elif variable.get("elimination"):
            left_out.append(str(variable["id"]))
        else:
            needed.append(str(variable["id"]))
    if needed:
        raise DataError(
            "FL-D023",
            f"Der skal vælges værdier for {', '.join(needed)}.",
            rule="Tabellen kan ikke summeres over dem.",
            remedy="Giv en værdi, en liste eller '*' for alle.",
        )
    return Selection(tuple(chosen), tuple(left_out))


def _choose(variable: dict[str, Any], wanted: Any) -> Chosen:
    texts = {str(value["id"]): str(value["text"]) for value in variable["values"]}
    area = bool(variable.get("map")) or str(variable["id"]).upper() in _AREAS
    given = [wanted] if isinstance(wanted, (str, int)) else list(wanted)
    asked: list[str] = []
    values: list[str] = []
    for one in given:
        term = _service_code(str(one), texts, area=area)
        matched = _match(term, list(texts))
        if not matched:
            raise DataError(
                "FL-D023",
                f"Variablen {variable['id']} har ikke en værdi, der passer med {str(one)[:60]!r}.",
                remedy="Se værdierne med table_info.",
            )
        asked.append(term)
        values += matched
    if not asked:
        raise DataError("FL-D023", f"Der er ikke valgt værdier for {variable['id']}.", remedy="Giv mindst én værdi.")
    return Chosen(
        id=str(variable["id"]),
        text=str(variable.get("text", variable["id"])),
        time=bool(variable.get("time")),
        area=area,
        asked=tuple(asked),
        values=tuple(dict.fromkeys(values)),
        texts=texts,
    )


def _service_code(term: str, texts: dict[str, str], *, area: bool) -> str:
    """Take a four-digit municipality code down to the three digits StatBank uses."""
    if area and term not in texts and len(term) == 4 and term.startswith("0") and term[1:] in texts:
        return term[1:]
    return term


def _match(term: str, ids: list[str]) -> list[str]:
    """Give the values a term answers to; the service's own order is old to new for time."""
    if term in ids:
        return [term]
    if newest := _NEWEST.fullmatch(term):
        return ids[-int(newest[1] or newest[2]) :] if int(newest[1] or newest[2]) else []
    if compared := _COMPARED.fullmatch(term):
        sign, bound = compared.groups()
        test = {">=": str.__ge__, "<=": str.__le__, ">": str.__gt__, "<": str.__lt__}[sign]
        return [one for one in ids if test(one, bound)]
    if "*" in term or "?" in term:
        return [one for one in ids if fnmatch.fnmatchcase(one, term)]
    return []
