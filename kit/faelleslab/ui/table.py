"""Shows a table the Danish way: decimal comma, a caption, and headings a screen reader can follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from faelleslab.ui.text import format_number

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 200


@dataclass(frozen=True)
class Table:
    """A table for reading; shown when it is the last value of a cell.

    Attributes
    ----------
    frame : DataFrame
        The first column is each row's heading.
    caption : str
    decimals : mapping of str to int
        Column -> digits after the comma; a number column without an entry has none.
    mark : str
        The row whose heading is this is set in bold.
    """

    frame: "pd.DataFrame"
    caption: str
    decimals: Mapping[str, int] = field(default_factory=dict)
    mark: str = ""

    def _repr_html_(self) -> str:
        names = list(self.frame.columns)
        shown = self.frame.head(_MOST_ROWS)
        head = "".join(f'<th scope="col"{self._aligned(n)}>{escape(str(n))}</th>' for n in names)
        rows = "".join(self._row(names, values) for values in shown.itertuples(index=False, name=None))
        more = len(self.frame) - len(shown)
        foot = f"<p>{format_number(more)} rækker mere er ikke vist; de er med i filerne.</p>" if more else ""
        caption = f'<caption style="text-align: left">{escape(self.caption)}</caption>'
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{foot}"

    def __repr__(self) -> str:
        return f"{self.caption} ({len(self.frame)} rækker)"

    def _row(self, names: list[str], values: tuple[Any, ...]) -> str:
        bold = bool(self.mark) and str(values[0]) == self.mark
        cells = []
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            text = escape(self._text(name, value))
            text = f"<strong>{text}</strong>" if bold else text
            start, end = ('th scope="row"', "th") if place == 0 else ("td", "td")
            cells.append(f"<{start}{self._aligned(name)}>{text}</{end}>")
        return f"<tr>{''.join(cells)}</tr>"

    def _aligned(self, name: str) -> str:
        return f' style="text-align: {"right" if self._is_number(name) else "left"}"'

    def _is_number(self, name: str) -> bool:
        return getattr(self.frame[name].dtype, "kind", "O") in "iuf"

    def _text(self, name: str, value: Any) -> str:
        return format_number(float(value), self.decimals.get(name, 0)) if self._is_number(name) else str(value)
