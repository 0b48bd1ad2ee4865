"""Three pictures for comparing a municipality with others: a ranking, bars, and a profile over many figures.

Each takes plain pairs and returns a `Picture` whose alternative text says in words what is to be seen. The own
municipality is marked by colour, by shape or place, and by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median

from faelleslab.errors import FaelleslabError
from faelleslab.ui.picture import Picture
from faelleslab.ui.svg import MIDDLE, OTHERS, OWN, QUIET_TEXT, Canvas, text_width
from faelleslab.ui.text import format_number

_WIDTH = 860.0
_TITLE_Y = 26.0
_AS_GOOD_AS_EQUAL = 1e-200


@dataclass(frozen=True)
class Figure:
    """One figure of several areas.

    Attributes
    ----------
    name : str
        "Indbyggere pr. km²".
    values : mapping of str to float
        Area -> value; missing values (nan) and infinite ones are left out of the picture.
    unit : str
        Behind the number in texts: "pr. km²", "%", "kr.".
    decimals : int
    """

    name: str
    values: Mapping[str, float]
    unit: str = ""
    decimals: int = 0

    def present(self) -> dict[str, float]:
        """Return the areas that have a value."""
        return {area: float(v) for area, v in self.values.items() if isfinite(v)}

    def ranked(self) -> list[tuple[str, float]]:
        """Return (area, value) from the highest to the lowest."""
        return sorted(self.present().items(), key=lambda item: (-item[1], item[0]))

    def place(self, area: str) -> int | None:
        """Return the area's place from the highest, equal values sharing one; None without a value."""
        present = self.present()
        return 1 + sum(v > present[area] for v in present.values()) if area in present else None

    def spell(self, value: float) -> str:
        """Write a value with its unit."""
        return f"{format_number(value, self.decimals)} {self.unit}".rstrip()


def ranking(figure: Figure, own: str, *, group: str = "kommuner") -> Picture:
    """Draw every area as a column from the highest to the lowest, with the own one marked.

    Parameters
    ----------
    figure : Figure
    own : str
        The area to mark.
    group : str
        What the areas are called: "kommuner i Region Midtjylland".

    Returns
    -------
    Picture
    """
    ranked = _something(figure)
    middle = median(v for _, v in ranked)
    canvas = Canvas(_WIDTH, 400)
    left, right, top, bottom = 16.0, _WIDTH - 16, 92.0, 352.0
    low, high = min(0.0, ranked[-1][1]), _ceiling(ranked, figure.present().get(own))
    scale = _scale(bottom - top, low, high)
    step = (right - left) / len(ranked)
    base = bottom + low * scale

    def y(value: float) -> float:
        return base - min(value, high) * scale

    _title(canvas, figure, f"{figure.name}: {len(ranked)} {group}")
    canvas.text(left, _TITLE_Y + 22, "Sorteret fra højest til lavest" + _cut_words(ranked, high), colour=QUIET_TEXT)
    for i, (area, value) in enumerate(ranked):
        gap = min(2.0, step * 0.2)
        upper, lower = sorted((y(value), base))
        x = left + i * step
        canvas.box(x + gap / 2, upper, step - gap, max(lower - upper, 1), colour=OWN if area == own else OTHERS)
        if value > high:  # two white strokes: the column goes on
            for offset in (12.0, 18.0):
                canvas.line(x, top + offset + 3, x + step, top + offset - 3, colour="#fff", width=3)
    canvas.line(left, base, right, base, colour=QUIET_TEXT)
    canvas.line(left, y(middle), right, y(middle), colour=MIDDLE, width=2, dash="6 4")
    middle_text = f"Midterste: {figure.spell(middle)}"
    canvas.text(right, y(middle) - 6, middle_text, colour=MIDDLE, anchor="end", bold=True)
    _name_ends(canvas, figure, ranked, (left, right, bottom))
    mine = figure.present().get(own)
    if mine is not None:
        x = left + ([a for a, _ in ranked].index(own) + 0.5) * step
        words = f"{own}: {figure.spell(mine)} (nr. {figure.place(own)} af {len(ranked)})"
        _mark_own(canvas, words, x, y(mine), top)
    order = f"Søjler for {len(ranked)} {group}, sorteret efter {_lower(figure.name)}."
    alt = f"{order} {_own_words(figure, own, group)} {_range_words(figure, ranked, middle)}"
    return Picture(canvas.document(figure.name, alt), alt)


def bars(figure: Figure, own: str, *, group: str = "kommuner") -> Picture:
    """Draw a few areas as named bars with their values, from the highest to the lowest.

    Parameters
    ----------
    figure : Figure
        Of at most some thirty areas.
    own : str
    group : str
        For the title: "Aarhus og de kommuner, der ligner mest".

    Returns
    -------
    Picture
    """
    ranked = _something(figure)
    row = 30.0
    top = 66.0
    canvas = Canvas(_WIDTH, top + row * len(ranked) + 12)
    names = 16 + max(text_width(a, 15) for a, _ in ranked) + 16
    values = max(text_width(figure.spell(v), 15) for _, v in ranked) + 20
    low, high = min(0.0, ranked[-1][1]), max(0.0, ranked[0][1])
    scale = _scale(_WIDTH - 16 - names - values, low, high)
    zero = names - low * scale
    _title(canvas, figure, f"{figure.name}: {group}")
    for i, (area, value) in enumerate(ranked):
        y = top + i * row
        mine = area == own
        canvas.text(names - 10, y + 18, area, size=15, anchor="end", bold=mine)
        start, end = sorted((zero, zero + value * scale))
        canvas.box(start, y + 2, max(end - start, 1), row - 8, colour=OWN if mine else OTHERS)
        canvas.text(end + 8, y + 18, figure.spell(value), size=15, bold=mine)
    canvas.line(zero, top - 4, zero, top + row * len(ranked), colour=QUIET_TEXT)
    listed = "; ".join(f"{a} {figure.spell(v)}" for a, v in ranked)
    alt = f"Vandrette søjler for {_lower(figure.name)}, {group}, fra højest til lavest: {listed}."
    return Picture(canvas.document(figure.name, alt), alt)


def profile(figures: Sequence[Figure], own: str, *, group: str = "kommuner") -> Picture:
    """Draw one line per figure with a dot per area, and the own area as a diamond.

    Parameters
    ----------
    figures : sequence of Figure
        Each on its own scale, from its lowest to its highest value.
    own : str
    group : str

    Returns
    -------
    Picture
    """
    shown = [f for f in figures if f.present()]
    if not shown:
        raise _nothing()
    row, top = 74.0, 84.0
    canvas = Canvas(_WIDTH, top + row * len(shown))
    left, right = 40.0, _WIDTH - 40
    canvas.text(16, _TITLE_Y, f"{own} i alle nøgletal", size=18, bold=True)
    legend = f"Hver prik er en af {group}. Rude: {own}. Streg: den midterste kommune."
    canvas.text(16, _TITLE_Y + 22, legend, colour=QUIET_TEXT)
    words = []
    for i, figure in enumerate(shown):
        ranked = figure.ranked()
        low, high, middle = ranked[-1][1], ranked[0][1], median(v for _, v in ranked)
        scale = _scale(right - left, low, high)
        y = top + i * row + 26
        canvas.text(16, y - 16, figure.name, size=15, bold=True)
        canvas.line(left, y, right, y)
        for _, value in ranked:
            canvas.dot(left + (value - low) * scale, y, 5, colour=OTHERS, opacity=0.55)
        canvas.line(
            left + (middle - low) * scale, y - 11, left + (middle - low) * scale, y + 11, colour=MIDDLE, width=3
        )
        canvas.text(16, y + 27, f"Lavest {figure.spell(low)}", colour=QUIET_TEXT)
        canvas.text(_WIDTH - 16, y + 27, f"Højest {figure.spell(high)}", colour=QUIET_TEXT, anchor="end")
        mine = figure.present().get(own)
        if mine is None:
            words.append(f"{figure.name}: intet tal for {own}.")
            continue
        canvas.diamond(left + (mine - low) * scale, y, 10, colour=OWN)
        text = f"{own}: {figure.spell(mine)}, nr. {figure.place(own)} af {len(ranked)}"
        canvas.text(_WIDTH - 16, y - 16, text, size=15, colour=OWN, anchor="end", bold=True)
        words.append(f"{figure.name}: {text} (midterste {figure.spell(middle)}).")
    alt = f"Profil af {own} blandt {group}. " + " ".join(words)
    return Picture(canvas.document(f"{own} i alle nøgletal", alt), alt)


def _ceiling(ranked: list[tuple[str, float]], own: float | None) -> float:
    """Return where columns are cut, so that a few very high ones do not press all others flat."""
    highest = max(0.0, ranked[0][1])
    upper_quarter = ranked[len(ranked) // 4][1]
    ceiling = max(2.5 * upper_quarter, 1.1 * (own or 0.0))
    return ceiling if 0 < ceiling < highest / 1.5 else highest


def _scale(room: float, low: float, high: float) -> float:
    """Return units of the canvas per unit of the figure; 1 where all values are as good as equal."""
    return room / (high - low) if high - low > _AS_GOOD_AS_EQUAL else 1.0


def _cut_words(ranked: list[tuple[str, float]], ceiling: float) -> str:
    n_cut = sum(v > ceiling for _, v in ranked)
    if not n_cut:
        return ""
    return ". Den højeste er kappet foroven" if n_cut == 1 else f". De {n_cut} højeste er kappet foroven"


def _something(figure: Figure) -> list[tuple[str, float]]:
    ranked = figure.ranked()
    if not ranked:
        raise _nothing()
    return ranked


def _nothing() -> FaelleslabError:
    return FaelleslabError(
        "FL-U003", "Der er ingen tal at tegne.", remedy="vælg et andet nøgletal eller flere kommuner."
    )


def _title(canvas: Canvas, figure: Figure, text: str) -> None:
    size = 18.0 if text_width(text, 18) < canvas.width - 32 else 15.0
    canvas.text(16, _TITLE_Y, text, size=size, bold=True)


def _name_ends(
    canvas: Canvas, figure: Figure, ranked: list[tuple[str, float]], frame: tuple[float, float, float]
) -> None:
    left, right, bottom = frame
    for (area, value), x, anchor in ((ranked[0], left, "start"), (ranked[-1], right, "end")):
        canvas.text(x, bottom + 20, area, anchor=anchor)
        canvas.text(x, bottom + 38, figure.spell(value), anchor=anchor, colour=QUIET_TEXT)


def _mark_own(canvas: Canvas, text: str, x: float, y: float, top: float) -> None:
    """Write the own area's name above its column, with a line down to it, inside the canvas."""
    half = text_width(text, 15) / 2
    centre = min(max(x, 16 + half), canvas.width - 16 - half)
    label = top - 14
    canvas.line(x, label + 6, x, y, colour=OWN, width=1.5)
    canvas.text(centre, label, text, size=15, colour=OWN, anchor="middle", bold=True)


def _own_words(figure: Figure, own: str, group: str) -> str:
    place = figure.place(own)
    if place is None:
        return f"{own} har intet tal."
    return f"{own} har {figure.spell(figure.present()[own])} og er nr. {place} af {len(figure.present())} {group}."


def _range_words(figure: Figure, ranked: list[tuple[str, float]], middle: float) -> str:
    (first, high), (last, low) = ranked[0], ranked[-1]
    ends = f"Højest er {first} med {figure.spell(high)}, lavest {last} med {figure.spell(low)}"
    return f"{ends}; den midterste har {figure.spell(middle)}."


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
