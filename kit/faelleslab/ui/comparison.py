"""Whom a municipality is compared with: the neighbours in a ranking, or those that are most alike."""

from typing import TYPE_CHECKING

from faelleslab.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd


def municipality_name(kommunekode: str) -> str:
    """Return the name of one of the 98 municipalities.

    Parameters
    ----------
    kommunekode : str
        Four digits.

    Returns
    -------
    str

    Raises
    ------
    ParameterError
        FL-U004, for anything else; the form and a production run have refused it before.

    Examples
    --------
    >>> municipality_name("0751")
    'Aarhus'
    """
    from faelleslab.data.municipality_list import names_by_code

    name = names_by_code().get(kommunekode) if isinstance(kommunekode, str) else None
    if name is None:
        raise ParameterError(
            "FL-U004",
            "Kommunekoden findes ikke.",
            rule="kommunekoden er fire cifre i anførselstegn og hører til en af de 98 kommuner, for eksempel '0751'.",
            remedy="ret kommunekode i cellen med parametre.",
        )
    return name


def nearest_in_rank(values: "pd.Series", own: str, count: int) -> list[str]:
    """Return the areas around the own one in a ranking.

    Parameters
    ----------
    values : Series
        Area -> value.
    own : str
    count : int
        How many, the own one included; fewer where there are fewer.

    Returns
    -------
    list of str
        From the highest to the lowest.
    """
    order = list(values.sort_values(ascending=False, kind="stable").index)
    if own not in order:
        return order[:count]
    first = min(max(order.index(own) - count // 2, 0), max(len(order) - count, 0))
    return order[first : first + count]


def most_alike(table: "pd.DataFrame", own: str, columns: list[str], count: int) -> list[str]:
    """Return the areas that are most like the own one.

    Parameters
    ----------
    table : DataFrame
        Indexed by area.
    own : str
    columns : list of str
        Positive figures; each counts by its ratio to the own area's, so 10.000 against 20.000 is as far as 100.000
        against 200.000.
    count : int
        How many, the own one included.

    Returns
    -------
    list of str
        The own area first, then the most alike.
    """
    from math import hypot, log

    rows = table[columns].to_numpy(dtype=float).tolist()
    figures: dict[str, list[float]] = {
        str(a): [float(v) for v in row] for a, row in zip(table.index, rows, strict=True)
    }

    def distance(area: str) -> float:
        return hypot(*(log(other / mine) for other, mine in zip(figures[area], figures[own], strict=True)))

    others = sorted((a for a in figures if a != own), key=lambda a: (distance(a), a))
    return [own, *others[: count - 1]]
