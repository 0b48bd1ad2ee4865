"""Key figures of the 98 municipalities, composed of shipped StatBank answers with real figures.

The figures are of fixed dates so that a lesson, a test and a picture show the same. Before they are given out, the sums
are checked against the figures of the whole country.
"""

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faelleslab.data.municipality_list import municipalities
from faelleslab.data.provenance import ATTRS, attach, provenance_of
from faelleslab.data.statbank import StatBank
from faelleslab.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

POPULATION_PERIOD, AREA_YEAR, EMPLOYMENT_YEAR, INCOME_YEAR = "2020K1", "2019", "2017", "2017"
_COUNTRY, _CHRISTIANSOE = "000", "411"


@dataclass(frozen=True)
class Unit:
    """What a column of key figures measures."""

    unit: str
    table: str
    period: str
    country: float
    note: str = ""


_COLUMNS = {
    "indbyggere": ("personer", "FOLK1A", POPULATION_PERIOD, ""),
    "areal_km2": ("km²", "ARE207", AREA_YEAR, ""),
    "indbyggere_pr_km2": ("personer pr. km²", "FOLK1A og ARE207", f"{POPULATION_PERIOD} og {AREA_YEAR}", ""),
    "andel_gifte_pct": ("pct. af indbyggerne", "FOLK1A", POPULATION_PERIOD, "Gifte og separerede."),
    "beskæftigelsesgrad_pct": ("pct.", "RAS200", EMPLOYMENT_YEAR, "Ultimo november."),
    "indkomst_lvu_kr": (
        "kr. pr. person",
        "INDKP107",
        INCOME_YEAR,
        "Disponibel indkomst, gennemsnit, kun personer med lang videregående uddannelse.",
    ),
}


def key_figures() -> "pd.DataFrame":
    """Give key figures of the 98 municipalities, one row each.

    Returns
    -------
    pandas.DataFrame, shape (98, 9)
        ``kommunekode`` (text), ``kommune``, ``region`` (as of 1 January 2020), ``indbyggere`` (persons), ``areal_km2``
        (km²), ``indbyggere_pr_km2``, ``andel_gifte_pct`` (per cent), ``beskæftigelsesgrad_pct`` (per cent) and
        ``indkomst_lvu_kr`` (DKK per person with long-cycle higher education). `units_of` gives unit, table and period.

    Raises
    ------
    DataError
        FL-D026: the figures do not add up. FL-D025: a shipped answer has been changed.
    """
    import pandas as pd

    bank = StatBank(offline=True)
    people = bank.table("FOLK1A", OMRÅDE="*", CIVILSTAND="*", Tid=POPULATION_PERIOD, values="code")
    area = bank.table("ARE207", OMRÅDE="*", Tid="*", values="code")
    work = bank.table("RAS200", OMRÅDE="*", Tid="*", values="code")
    income = bank.table("INDKP107", OMRÅDE="*", Tid="*", values="code")
    marital = people.pivot(index="OMRÅDE", columns="CIVILSTAND", values="INDHOLD")
    wide = pd.DataFrame(
        {
            "indbyggere": marital["TOT"],
            "areal_km2": _one_year(area, AREA_YEAR),
            "andel_gifte_pct": (marital["G"] / marital["TOT"] * 100).round(1),
            "beskæftigelsesgrad_pct": _one_year(work, EMPLOYMENT_YEAR),
            "indkomst_lvu_kr": _one_year(income, INCOME_YEAR),
        }
    )
    wide.insert(2, "indbyggere_pr_km2", (wide["indbyggere"] / wide["areal_km2"]).round(1))
    _check_marital(marital)
    frame = municipalities(dt.date(2020, 1, 1))
    figures = wide.reindex(frame["kommunekode"].str[1:]).reset_index(drop=True)
    _check_sums(wide, figures)
    for name in ("indbyggere", "indkomst_lvu_kr"):
        figures[name] = figures[name].astype("int64")
    frame = pd.concat([frame, figures], axis=1)
    country: Any = wide.loc[_COUNTRY]
    units = {name: [*described, float(country[name])] for name, described in _COLUMNS.items()}
    frame.attrs[ATTRS] = {"units": json.dumps(units, ensure_ascii=False)}
    return attach(frame, *(one for part in (people, area, work, income) for one in provenance_of(part)))


def units_of(df: "pd.DataFrame") -> dict[str, Unit]:
    """Say what each column of key figures measures, and its figure for the whole country.

    Parameters
    ----------
    df : pandas.DataFrame
        From `key_figures`.

    Returns
    -------
    dict of str to Unit
    """
    kept = json.loads(df.attrs.get(ATTRS, {}).get("units", "{}"))
    return {
        name: Unit(unit, table, period, country, note) for name, (unit, table, period, note, country) in kept.items()
    }


def _one_year(frame: "pd.DataFrame", year: str) -> "pd.Series":
    return frame[frame["TID"] == year].set_index("OMRÅDE")["INDHOLD"]


def _check_marital(marital: Any) -> None:
    if not (marital[["U", "G", "E", "F"]].sum(axis=1) == marital["TOT"]).all():
        raise _wrong("civilstandene giver ikke indbyggertallet")


def _check_sums(wide: Any, figures: "pd.DataFrame") -> None:
    if len(figures) != 98 or figures.isna().any().any():
        raise _wrong("der er ikke ét tal for hver af de 98 kommuner")
    rest = wide.loc[_COUNTRY, "indbyggere"] - wide.loc[_CHRISTIANSOE, "indbyggere"]
    if figures["indbyggere"].sum() != rest:
        raise _wrong("indbyggerne giver ikke hele landet uden Christiansø")
    # Each of 99 areas is rounded to a tenth, and Christiansø's own tenth belongs to none of the 98.
    if abs(figures["areal_km2"].sum() - wide.loc[_COUNTRY, "areal_km2"]) > 1:
        raise _wrong("arealerne giver ikke hele landet")


def _wrong(what: str) -> DataError:
    return DataError(
        "FL-D026", f"Nøgletallene stemmer ikke: {what}.", remedy="Installér faelleslab igen, og meld fejlen."
    )
